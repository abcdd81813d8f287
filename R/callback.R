#' Save the model while it trains
#'
#' A callback for `fit()` that saves the model, or its weights, while it trains:
#' after every epoch, every few epochs, or every so many samples; each time, or
#' only if a metric is the best so far.
#'
#' Every checkpoint is written atomically: on a local disk you find the complete
#' file or the previous one, never half of one, even if the session is killed.
#' Checkpoints are plain Keras files, which load where this package is not
#' installed. A journal beside them records each save.
#'
#' On JAX, Torch and GPUs, training waits while its state is copied in memory; on
#' TensorFlow's CPU it does not. The file is written while training continues,
#' and `fit()` returns when all files are durable. The first save of a `fit()`,
#' and every save of a small model (up to 8 MiB and 1000 arrays), is durable when
#' its hook returns. If `fit()` ended with an error, the save in progress is
#' durable when `wait()` returns, or at the end of the session, which waits for
#' it.
#'
#' ```r
#' library(keras3)
#' checkpoint <- modelcheckpoint::callback_model_checkpoint(
#'   "checkpoints/weights.{epoch:02d}-{val_loss:.2f}.hdf5"
#' )
#' model |> fit(x, y, validation_split = 0.2, callbacks = list(checkpoint))
#' ```
#'
#' Pass the callback in a list. It works in `keras3::fit()`, `keras::fit()` and
#' `model$fit()`. keras3 exports a function of the same name, so write
#' `modelcheckpoint::callback_model_checkpoint()`.
#'
#' @param filepath Where to save: one string, the path of a local file or an
#'   address in an object store (see *Object stores*). It may contain fields,
#'   which are filled in at each save: `{epoch}`, counted from 1, and the name of
#'   each metric that training logs, such as `{loss}` or `{val_loss}`; with a
#'   number as `save_freq`, with `save_seconds` or with `save_on_exit` also
#'   `{batch}` (of this epoch, from 1) and `{samples}` (seen since training
#'   began, over all its epochs). These three are always the callback's own
#'   counts; if a metric has the same name, you are warned once. Any other metric
#'   can be a field, also `{F1 score}` and `{out/acc}`, unless its name contains
#'   `.`, `[`, `]`, `!`, `:` or a brace; only its number reaches the path. A
#'   format may follow the name: with
#'   `"weights.{epoch:02d}-{val_loss:.2f}.hdf5"` a file is named
#'   `weights.03-0.41.hdf5`. A field without a value is written as `nan`, and a
#'   message lists the names that exist; with `on_error = "raise"` it raises an
#'   error. Missing folders are created. `~` is the home folder. If a symbolic
#'   link has the name of the file, the checkpoint replaces the link; the file
#'   that it points to stays as it is. The format follows from the suffix (see
#'   *Formats*).
#' @param monitor The metric that decides what is best: one of the names that
#'   training logs. If it is missing from the logs, no model counts as the best:
#'   with `save_best_only = TRUE` nothing is saved then, and a message lists the
#'   names that exist.
#' @param verbose `0` (or `FALSE`) for silence, `1` (or `TRUE`) for one line per
#'   decision: saved, improved from a to b, did not improve. Problems are
#'   reported in either case.
#' @param save_best_only `TRUE` to save only if `monitor` is better than ever
#'   before, so that a worse model never overwrites a better one. `NaN` never
#'   improves; the first finite value always does. A `filepath` without fields
#'   then always holds the best model.
#' @param save_weights_only `TRUE` to save only the weights, to be loaded into an
#'   existing model; `FALSE` to save the full model. The suffix of `filepath` has
#'   to fit (see *Formats*).
#' @param mode Which direction of `monitor` is better: `"min"` or `"max"`.
#'   `"auto"` infers it from the name (accuracy, AUC, precision, recall,
#'   F-scores, IoU, Dice, R squared and the like go up; losses and errors go
#'   down) and from the compiled metric, if Keras states its direction. If
#'   neither tells, it uses `"min"` and says so. May be abbreviated.
#' @param period Number of epochs between saves, a whole number; `NULL` means 1.
#'   It counts the epochs since the last due save, whatever the number of the
#'   epoch: a `fit()` that starts at epoch 5 with `period = 3` saves after
#'   epochs 7, 10 and so on. If `save_freq` is a number, `period` is ignored (a
#'   message says so).
#' @param save_freq `"epoch"` to save at the end of an epoch, or a whole number
#'   of **samples** (`1000`, `1000L`, `1e5`, up to 2^53): saves after the batch
#'   that brings the count to this many samples or more, and then counts from 0
#'   again. A new epoch does not reset the count. Within an epoch, metrics are less
#'   reliable: they start from scratch with every epoch, so they can rest on as
#'   little as one batch. If something exists only at the end of an epoch
#'   (`val_loss`), the save moves to that end.
#' @param save_freq_unit What a number as `save_freq` counts: `"samples"`, or
#'   `"batches"` as in Keras' own callback. Samples cannot be counted if the model
#'   has its own `train_step`: an error says so before training starts, and
#'   `"batches"` works. May be abbreviated.
#' @param initial_value_threshold `NULL`, or a number that `monitor` has to
#'   improve on before the first model counts as the best.
#' @param on_error What happens if a save fails in the middle of training (a full
#'   disk, for example): `"warn"` prints path and reason, training continues, and
#'   the next due save is tried; `"raise"` ends `fit()` with an error. Invalid
#'   arguments and a folder without write permission raise an error before the
#'   first batch in either case, and so does the first save of a `fit()` if it
#'   fails. (An object store that stops answering is an exception: it may be back
#'   for the next save.) A failure in the background is reported or raised by the
#'   next hook. May be abbreviated.
#' @param background `TRUE` to write files on a separate thread while training
#'   continues; `FALSE` to make training wait. At most one save is in progress:
#'   the next waits for it. The copy takes as much memory as the model's state;
#'   on TensorFlow's CPU, training may take as much again until it is made.
#'   Training always waits with Keras before 3.4 and tf_keras, with models of
#'   `tf.distribute` or of several processes of JAX (except in `.orbax`), with
#'   models that have their own `save`, and if the copy does not fit in memory,
#'   which is reported.
#' @param on_saved A function that is called with each checkpoint once it is
#'   durable, by the next hook, on the thread that trains; or `NULL`. Its one
#'   argument is a named list of `path` (relative to the folder of the
#'   checkpoints), `epoch`, `batch`, `samples`, `logs`, `monitor`, `value`,
#'   `mode`, `best`, `format`, `bytes`, `crc32`, `time`, `run`, `template`,
#'   `epochs_done` and `since`, as in the journal; what has no value is `NULL`.
#'   An error in the function ends `fit()`; a warning is printed.
#' @param keep_latest `NULL`, or how many of the newest checkpoints to keep. If
#'   you use any of `keep_latest`, `keep_best` and `keep_every`, all checkpoints
#'   that none of them selects are deleted once the new one is durable. The
#'   newest and the best are never deleted, nor are files of another run.
#'   `filepath` must have a field. See `vignette("retention", "modelcheckpoint")`.
#' @param keep_best `NULL`, or how many of the best checkpoints by `monitor` to
#'   keep. A checkpoint that was saved without a value of `monitor`, for example
#'   in the middle of an epoch, is not counted, and you are told once.
#' @param keep_every `NULL`, or a number of epochs: the last checkpoint of each
#'   epoch that is a multiple of it is kept permanently.
#' @param save_seconds `NULL`, a number of seconds, or a `difftime`: also save at
#'   the end of the first batch after this much time since this callback's last
#'   save, or since training began; if several processes save together, up to
#'   about a second later. If something exists only at the end of an epoch, the
#'   save moves there, as with `save_freq`.
#' @param save_on_exit `TRUE` to save a last checkpoint when training ends, if
#'   anything was trained since the last save; also if Ctrl-C or SIGTERM ends it,
#'   at the end of the current batch. The signal then takes effect as usual; a
#'   second one takes effect at once. A field that exists only at the end of an
#'   epoch is written as `nan`. Cannot be combined with `save_best_only`, because
#'   the last model need not be the best. If Ctrl-C interrupts [Sys.sleep()] in a
#'   function that runs during training, nothing is saved. See
#'   `vignette("resume", "modelcheckpoint")`.
#' @param resume `TRUE` to continue from the newest intact checkpoint of this
#'   `filepath`: the same script, run again, ends with the weights of an
#'   uninterrupted run if seeds and the order of data are fixed and the
#'   checkpoint was taken at the end of an epoch. If it was taken mid-epoch, that
#'   epoch is repeated from its first batch, so the model sees the batches before
#'   the save twice.
#'   Not restored: the state of other callbacks (early stopping's patience, for
#'   example) and the shuffling order. If there is no checkpoint, training
#'   starts from the beginning. Put this callback last in the list, so that it
#'   saves what others have changed. If several processes train the model, they
#'   must share the folder. See `vignette("resume", "modelcheckpoint")`.
#' @param restore_best `TRUE` to give the model the weights, and only the
#'   weights, of the best checkpoint when `fit()` ends; this can be a checkpoint
#'   of an earlier run that this one resumed. If that file is gone or damaged, or
#'   there never was one, this is reported, and the model stays as it is.
#'   `filepath` must have a field, or `save_best_only` be `TRUE`. After an error
#'   or an interrupt nothing is restored. Several processes must share the
#'   folder.
#'
#' @return A Python object, an instance of the Python class
#'   `modelcheckpoint.ModelCheckpoint`, to be passed to `fit()` in the list
#'   `callbacks`. You can read its arguments (`checkpoint$filepath`) and
#'   \describe{
#'     \item{`best`}{the best value of `monitor` that was saved, `NULL` before
#'       there is one;}
#'     \item{`problems`}{what went wrong and was reported, one string each;}
#'     \item{`restored`}{what `resume` has restored, a Python object with
#'       `path`, `epochs_done` and the other values of [restore_checkpoint()];
#'       `NULL` if there was nothing.}
#'   }
#'   Its method `wait()` returns once everything that was saved is durable, and
#'   reports the result: for code that needs the files while training continues,
#'   or after a `fit()` that ended with an error. (While R computes or idles,
#'   Python's threads may stand still.)
#'
#'   A Python object does not outlive its session: what `saveRDS()` writes cannot
#'   be used after `readRDS()`, and says so. Create the callback again, with
#'   `resume = TRUE` to continue from its newest checkpoint.
#'
#'   In a custom training loop, call its methods yourself: `set_model()`,
#'   `set_params()`, `on_train_begin()`, `on_train_end()`, `on_epoch_begin()`,
#'   `on_epoch_end()`, `on_batch_begin()`, `on_batch_end()`.
#'
#' @seealso [list_checkpoints()], [verify_checkpoints()] and
#'   [restore_checkpoint()] for what was saved. The vignettes of this package:
#'   `modelcheckpoint` (get started), `resume`, `retention`, `object-storage`,
#'   `several-machines`, `crash-safety`, `journal`, and `coming-from`, which
#'   lists what differs from Keras' own callback.
#'
#'   Other callbacks, in the package keras3:
#'   [`callback_csv_logger()`](https://keras3.posit.co/reference/callback_csv_logger.html),
#'   [`callback_early_stopping()`](https://keras3.posit.co/reference/callback_early_stopping.html),
#'   [`callback_lambda()`](https://keras3.posit.co/reference/callback_lambda.html),
#'   [`callback_learning_rate_scheduler()`](https://keras3.posit.co/reference/callback_learning_rate_scheduler.html),
#'   [`callback_reduce_lr_on_plateau()`](https://keras3.posit.co/reference/callback_reduce_lr_on_plateau.html),
#'   [`callback_remote_monitor()`](https://keras3.posit.co/reference/callback_remote_monitor.html),
#'   [`callback_tensorboard()`](https://keras3.posit.co/reference/callback_tensorboard.html),
#'   [`callback_terminate_on_nan()`](https://keras3.posit.co/reference/callback_terminate_on_nan.html);
#'   and, in the package keras only, `callback_progbar_logger()`.
#'
#' @examplesIf reticulate::py_available() && reticulate::py_module_available("keras")
#' # This example runs only if Python is already running in this session.
#' keras <- reticulate::import("keras")
#' model <- keras$Sequential(list(keras$layers$Dense(1L)))
#' model$compile(optimizer = "sgd", loss = "mse")
#'
#' x <- scale(as.matrix(mtcars[c("wt", "hp")]))
#' y <- as.matrix(mtcars["mpg"])
#'
#' folder <- tempfile("checkpoints-")
#' each <- modelcheckpoint::callback_model_checkpoint(
#'   file.path(folder, "weights.{epoch:02d}-{val_loss:.2f}.hdf5"),
#'   save_weights_only = TRUE
#' )
#' best <- modelcheckpoint::callback_model_checkpoint(
#'   file.path(folder, "best.keras"),
#'   save_best_only = TRUE
#' )
#' history <- model$fit(
#'   x, y,
#'   epochs = 3L, validation_split = 0.25, verbose = 0L,
#'   callbacks = list(each, best)
#' )
#' best
#' list.files(folder)
#'
#' model <- keras$models$load_model(file.path(folder, "best.keras"))
#' unlink(folder, recursive = TRUE)
#' @export
callback_model_checkpoint <- function(
  filepath,
  monitor = "val_loss",
  verbose = 0,
  save_best_only = FALSE,
  save_weights_only = FALSE,
  mode = c("auto", "min", "max"),
  period = NULL,
  save_freq = "epoch",
  save_freq_unit = c("samples", "batches"),
  initial_value_threshold = NULL,
  on_error = c("warn", "raise"),
  background = TRUE,
  on_saved = NULL,
  keep_latest = NULL,
  keep_best = NULL,
  keep_every = NULL,
  save_seconds = NULL,
  save_on_exit = FALSE,
  resume = FALSE,
  restore_best = FALSE
) {
  call <- sys.call()
  filepath <- as_filepath(filepath)
  others <- mget(names(argument_types), environment())
  coerced <- Map(
    function(as_type, x, arg) as_type(x, arg, call),
    argument_types, others, names(others)
  )
  new_callback(c(list(filepath = filepath), coerced), call)
}

new_callback <- function(arguments, call) {
  ask_python(call, keras = TRUE, function(for_r) {
    for (name in whole_numbers) {
      # Here a double is a whole number too large for an R integer.
      if (is.double(arguments[[name]])) {
        arguments[[name]] <- as_python_int(arguments[[name]])
      }
    }
    if (!is.null(arguments$on_saved)) {
      arguments$on_saved <- as_told(arguments$on_saved)
    }
    for_r$callback(arguments)
  })
}

# Python calls this with each checkpoint, as a named list.
as_told <- function(on_saved) {
  force(on_saved)
  function(checkpoint) {
    # A user's handler around fit() would jump out of the middle of Python,
    # which does not survive that. So the error is passed through Python.
    withCallingHandlers(on_saved(checkpoint), warning = print_warning)
    # Otherwise reticulate would convert the result to a Python object.
    NULL
  }
}

print_warning <- function(warning) {
  cat("\nWarning: `on_saved` says: ", conditionMessage(warning), "\n", sep = "")
  tryInvokeRestart("muffleWarning")
}
