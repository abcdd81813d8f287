# Train a small classifier, save checkpoints, load the best one back.
#
#   make demo                (installs what is missing, then runs this file)
#   Rscript examples/demo.R  (if R, Keras and modelcheckpoint are installed)
#
# It writes to ./demo-output/r, which is emptied first.

library(modelcheckpoint)
library(reticulate)

epochs <- 12L

main <- function() {
  start_afresh("demo-output/r")
  keras <- import("keras")
  keras$utils$set_random_seed(7L)
  flowers <- load_flowers()

  heading("1. Train on R's own `iris`, and save while training")
  model <- new_model(keras)
  train_and_save(model, flowers)

  heading("2. What was saved, as checkpoints/modelcheckpoint.jsonl records it")
  saved <- read_journal("checkpoints/modelcheckpoint.jsonl")
  best <- saved[saved$file == "best.keras", ]
  twin <- saved[saved$epoch == best$epoch & saved$file != "best.keras", ]
  saved$best <- ifelse(saved$epoch == best$epoch, "<- best", "")
  print(saved, row.names = FALSE, right = FALSE)

  heading("3. Load the best back, in two independent ways")
  whole <- keras$models$load_model("checkpoints/best.keras")
  say("best.keras with Keras' load_model(), into a model that did not exist")
  filled <- new_model(keras)
  filled$load_weights(file.path("checkpoints", twin$file))
  say(twin$file, " with load_weights(), into a model never trained")

  heading("4. Do they predict what the model predicted when it was saved?")
  told <- best$val_loss
  models <- list(whole, filled, model)
  losses <- vapply(models, val_loss, numeric(1), flowers = flowers)
  print_losses(best$epoch, told, losses)
  apart <- max(abs(predictions(whole, flowers) - predictions(filled, flowers)))
  say("largest difference between their predictions: ", format(apart))
  print_flowers(whole, flowers)

  same <- apart < 1e-6 && all(abs(losses[1:2] - told) < 1e-5)
  if (!same) stop("The loaded models differ from what was saved.")
  heading("Both are the best model. The files are in ", getwd())
}

train_and_save <- function(model, flowers) {
  fit(
    model, flowers$train$x, flowers$train$y,
    epochs = epochs, batch_size = 16L, verbose = 2L,
    validation_data = flowers$test,
    callbacks = list(
      # The weights after every epoch, each in a file of its own.
      callback_model_checkpoint(
        "checkpoints/weights.{epoch:02d}-{val_loss:.2f}.hdf5",
        save_weights_only = TRUE
      ),
      # The whole model, in one file that only a better one may replace.
      callback_model_checkpoint(
        "checkpoints/best.keras",
        save_best_only = TRUE,
        verbose = 1
      )
    )
  )
}

# ---- the model and its data ---------------------------------------------------

load_flowers <- function() {
  set.seed(7)
  rows <- sample(nrow(iris))
  x <- scale(as.matrix(iris[rows, 1:4]))
  y <- as.integer(iris$Species[rows]) - 1L
  # array(): a plain R vector arrives as a list, which Keras does not accept as data.
  list(
    train = list(x = x[1:100, ], y = array(y[1:100])),
    test = list(x[101:150, ], array(y[101:150]))
  )
}

new_model <- function(keras) {
  model <- keras$Sequential(list(
    keras$layers$Input(shape = list(4L)),
    keras$layers$Dense(16L, activation = "relu"),
    keras$layers$Dense(3L, activation = "softmax")
  ))
  model$compile(
    optimizer = keras$optimizers$Adam(0.05),
    loss = "sparse_categorical_crossentropy",
    metrics = list("accuracy")
  )
  model
}

fit <- function(model, ...) {
  if (requireNamespace("keras3", quietly = TRUE)) {
    keras3::fit(model, ...)
  } else {
    model$fit(...)
  }
}

val_loss <- function(model, flowers) {
  model$evaluate(
    flowers$test[[1]], flowers$test[[2]],
    batch_size = 16L, verbose = 0L, return_dict = TRUE
  )$loss
}

predictions <- function(model, flowers) {
  model$predict(flowers$test[[1]], verbose = 0L)
}

# ---- what is printed ----------------------------------------------------------

# One row for each file: a file that was saved again has a newer line.
read_journal <- function(path) {
  lines <- jsonlite::stream_in(file(path), verbose = FALSE)
  lines <- lines[!duplicated(lines$path, fromLast = TRUE), ]
  data.frame(
    file = lines$path,
    epoch = lines$epoch,
    val_loss = round(lines$logs$val_loss, 6),
    val_accuracy = lines$logs$val_accuracy,
    bytes = lines$bytes
  )
}

print_losses <- function(epoch, told, losses) {
  of <- c(
    paste("the journal, when epoch", epoch, "was saved"),
    "best.keras, loaded and evaluated now",
    "the weights file, loaded and evaluated now",
    paste("the model as training left it, after epoch", epochs)
  )
  cat(sprintf("  val_loss %.6f  %s\n", c(told, losses), of), sep = "")
}

print_flowers <- function(model, flowers) {
  guess <- levels(iris$Species)[max.col(predictions(model, flowers))]
  truth <- levels(iris$Species)[flowers$test[[2]] + 1L]
  say(sum(guess == truth), " of ", length(truth), " unseen flowers classified correctly")
}

heading <- function(...) cat("\n", ..., "\n\n", sep = "")
say <- function(...) cat("  ", ..., "\n", sep = "")

start_afresh <- function(folder) {
  unlink(folder, recursive = TRUE)
  dir.create(folder, recursive = TRUE)
  setwd(folder)
}

main()
