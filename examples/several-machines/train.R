# Train as train.py does, on JAX, in processes that SLURM starts:
#
#   srun Rscript train.R FOLDER

keras <- reticulate::import("keras")
jax <- reticulate::import("jax")
signal <- reticulate::import("signal")

keras$distribution$initialize() # knows SLURM's variables
keras$distribution$set_distribution(
  keras$distribution$DataParallel(auto_shard_dataset = FALSE)
)
# JAX has just installed its own handler, with which SIGTERM would end nothing.
invisible(signal$signal(signal$SIGTERM, signal$SIG_DFL))

keras$utils$set_random_seed(1L)
model <- keras$Sequential(list(
  keras$layers$Input(shape = list(1L)),
  keras$layers$Dense(16L, activation = "tanh"),
  keras$layers$Dense(1L)
))
model$compile(optimizer = keras$optimizers$Adam(0.01), loss = "mse")

# This process' share of each batch of 32 rows.
x <- matrix(seq(-2, 2, length.out = 1280))
rank <- jax$process_index()
count <- jax$process_count()
own <- x[seq(rank + 1, nrow(x), by = count), , drop = FALSE]

checkpoint <- modelcheckpoint::callback_model_checkpoint(
  paste0(commandArgs(TRUE)[1], "/{epoch}-{samples}.keras"),
  monitor = "loss", verbose = 1, keep_latest = 2,
  resume = TRUE, save_on_exit = TRUE
)
slowly <- function(batch, logs) Sys.sleep(0.1) # as if the data came from far away
history <- model$fit(
  own, sin(3 * own),
  epochs = 3L, batch_size = 32L %/% count, shuffle = FALSE, verbose = 0L,
  callbacks = list(
    checkpoint,
    keras$callbacks$LambdaCallback(on_train_batch_begin = slowly)
  )
)
cat(sprintf("process %d of %d: trained to the end\n", rank, count))
