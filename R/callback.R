#' Save the model after every epoch
#'
#' A callback for `fit()` that writes the model, or its weights, to a file while
#' the model trains: after every epoch, every few epochs, or every so many
#' samples; each time, or only when a metric is the best so far.
#'
#' A save is atomic on a local disk: the file under its final name is the old
#' one or the new one, never half of one, also when the session is killed. Each
#' save is written down in a journal beside the checkpoints. The files are plain
#' Keras files: they load where this package is not installed.
#'
#' Training waits while its state is copied in memory; the file is written while
#' it goes on, and `fit()` returns when all are durable. The first save of a
#' `fit()`, and every save of a small model (up to 8 MiB and 1000 arrays), is
#' durable when its hook returns. After a `fit()` that ended with an error, the
#' file of a save that was under way is there when `wait()` returns, or at the
#' end of the session, which waits for it.
#'
#' Pass the callback in a list, as in
#'
#' ```r
#' library(keras3)
#' checkpoint <- modelcheckpoint::callback_model_checkpoint(
#'   "checkpoints/weights.{epoch:02d}-{val_loss:.2f}.hdf5"
#' )
#' model |> fit(x, y, validation_split = 0.2, callbacks = list(checkpoint))
#' ```
#'
#' It works in `keras3::fit()`, in `keras::fit()` and in `model$fit()`. keras3
#' exports a function of the same name: with both attached, write
#' `modelcheckpoint::callback_model_checkpoint()`.
#'
#' @param filepath Where to save: one string, the path of a local file or an
#'   address in an object store, see the section *Object stores*. It may hold
#'   named fields, which are filled for each save: `{epoch}`, counted from 1, and
#'   the name of each metric that training logs, such as `{loss}` or
#'   `{val_loss}`; with a number as `save_freq`, with `save_seconds` or
#'   `save_on_exit` also `{batch}` (of this epoch, from 1) and `{samples}` (seen
#'   since training began, over all its epochs). These three are always the
#'   callback's own counts: a metric of such a name is reported once. Any other
#'   metric can stand in a field, also `{F1 score}` and `{out/acc}`, unless its
#'   name has `.`, `[`, `]`, `!`, `:` or a brace in it; only its number reaches
#'   the path. A format may follow the name: with
#'   `"weights.{epoch:02d}-{val_loss:.2f}.hdf5"` a file is named
#'   `weights.03-0.41.hdf5`. A field that has no value when a save falls due is
#'   written as `nan`, and a message lists the names there are; with
#'   `on_error = "raise"` it is an error. Missing folders are made. `~` is the
#'   home folder. A symbolic link that has the name of the file is replaced by
#'   it; what the link points to stays as it is. The suffix decides the format,
#'   see the section *Formats*.
#' @param monitor The metric that decides what is best: one of the names that
#'   training logs. Where it is missing from the logs, no model counts as the
#'   best: with `save_best_only = TRUE` nothing is saved then, and a message
#'   lists the names there are.
#' @param verbose `0` (or `FALSE`) for silence, `1` (or `TRUE`) for one line for
#'   each decision: saved, improved from a to b, did not improve. Problems are
#'   told in either case.
#' @param save_best_only `TRUE` to save only where `monitor` is better than it
#'   ever was, so that the best model so far is never overwritten by a worse
#'   one. A value of `NaN` never improves on anything, and the first finite
#'   value always does. A `filepath` without fields then always holds the best
#'   model.
#' @param save_weights_only `TRUE` to save the weights only, to be loaded into a
#'   model that is there; `FALSE` to save the full model. The suffix of
#'   `filepath` has to fit, see the section *Formats*.
#' @param mode Which way `monitor` improves: `"min"` where less is better,
#'   `"max"` where more is. `"auto"` infers it from the name (accuracy, AUC,
#'   precision, recall, F-scores, IoU, Dice, R squared and their like go up;
#'   losses and errors go down) and from the compiled metric, where Keras states
#'   its direction; where it cannot tell, it takes `"min"` and says so. May be
#'   abbreviated.
#' @param period Epochs between two saves, a whole number; `NULL` means 1. It
#'   counts the epochs since a save last fell due, whatever the number of the
#'   epoch: training that starts at epoch 4 with `period = 3` saves after epochs
#'   6, 9 and so on. It has no meaning where `save_freq` is a number (a message
#'   says so).
#' @param save_freq `"epoch"` to save at the end of an epoch, or a whole number
#'   of **samples** (`1000`, `1000L`, `1e5`, up to 2^53): a save falls due at
#'   the end of the batch at which that many samples have been seen since one
#'   last fell due. The metrics that are monitored, and those in the name, are
#'   less reliable where saving is not aligned to epochs: they start anew with
#'   every epoch, so that they can rest on as little as one batch. What exists
#'   at the end of an epoch only (`val_loss`) is waited for: the save that fell
#'   due is taken then.
#' @param save_freq_unit What a number as `save_freq` counts: `"samples"`, or
#'   `"batches"` as Keras' own callback does. Samples cannot be counted where
#'   the model has a `train_step` of its own: an error says so before training
#'   starts, and `"batches"` is the way out. May be abbreviated.
#' @param initial_value_threshold `NULL`, or a number that `monitor` has to
#'   better before the first model counts as the best.
#' @param on_error What follows when a save fails in the middle of training (a
#'   full disk, say): `"warn"` prints path and reason, goes on training and
#'   tries again when the next save falls due; `"raise"` ends `fit()` with an
#'   error. What is wrong from the start (an argument, a folder without
#'   permission to write) is an error before the first batch, and the first save
#'   of a `fit()` is an error when it fails, in either case. (An object store that
#'   stops answering is an exception: it may be back for the next save.) What
#'   fails in the background is reported by the next hook, or is its error. May be
#'   abbreviated.
#' @param background `TRUE` to write files on a thread of their own while
#'   training goes on; `FALSE` to have training wait. One save is in flight at
#'   most: the next waits for it. The copy takes as much memory as the model's
#'   state. Models of Keras before 3.4, of `tf.distribute`, and those with a
#'   `save` of their own are saved while training waits; so are those whose copy
#'   would not fit in memory, which is told.
#' @param on_saved A function that is called with each checkpoint once it is
#'   durable, on the thread that trains, by the next hook; or `NULL`. Its one
#'   argument is a named list of `path` (seen from the folder of the
#'   checkpoints), `epoch`, `batch`, `samples`, `logs`, `monitor`, `value`,
#'   `mode`, `best`, `format`, `bytes`, `crc32`, `time`, `run`, `template`,
#'   `epochs_done` and `since`, as in the journal; what has no value is `NULL`.
#'   An error in it ends `fit()`, a warning is printed.
#' @param keep_latest `NULL`, or how many of the newest checkpoints are kept.
#'   With any of `keep_latest`, `keep_best` and `keep_every` the others are
#'   deleted, once the new one is durable, see the section *Keeping few*.
#' @param keep_best `NULL`, or how many of the best checkpoints by `monitor` are
#'   kept. One that was saved where `monitor` was not there, in the middle of an
#'   epoch say, is none of them, which is told once.
#' @param keep_every `NULL`, or a number of epochs: the last checkpoint of each
#'   epoch that is a multiple of it is kept for good.
#' @param save_seconds `NULL`, or a number of seconds, or a `difftime`: a save
#'   falls due, too, at the end of the batch at which so much time has passed
#'   since this callback last saved, or since training began. What exists at
#'   the end of an epoch only is waited for, as with `save_freq`.
#' @param save_on_exit `TRUE` to save a last checkpoint when training ends, if
#'   anything was trained since the last save; also where Ctrl-C or SIGTERM ends
#'   it, at the end of the batch in flight, see the section *Leaving early*. Not
#'   with `save_best_only`: the last model need not be the best.
#' @param resume `TRUE` to go on from the newest checkpoint of this `filepath`
#'   that is whole, so that the same script, run again, ends as if it had never
#'   been stopped, see the section *Going on*. Where there is none, training
#'   begins as ever.
#' @param restore_best `TRUE` to give the model the weights, and only those, of
#'   the best checkpoint when `fit()` ends; that of an earlier run which this
#'   one resumed, too. Where the best file is gone or damaged, or there never
#'   was one, that is told, and the model stays as it is. `filepath` must have a
#'   field, or `save_best_only` be `TRUE`. After an error or an interrupt
#'   nothing is restored.
#'
#' @return A Python object, an instance of the Python class
#'   `modelcheckpoint.ModelCheckpoint`, to be passed to `fit()` in the list
#'   `callbacks`. Its arguments can be read from it (`checkpoint$filepath`), and
#'   so can
#'   \describe{
#'     \item{`best`}{the best value of `monitor` that was saved, `NULL` before
#'       there is one;}
#'     \item{`problems`}{what went wrong and was told, one string each;}
#'     \item{`restored`}{what `resume` has restored, a Python object with
#'       `path`, `epochs_done` and the other values of [restore_checkpoint()];
#'       `NULL` where there was nothing.}
#'   }
#'   Its method `wait()` returns once everything that was saved is durable, and
#'   tells what came of it: for code that needs the files while training goes
#'   on, or after a `fit()` that ended with an error. (While R computes, or
#'   idles, Python's threads may stand still.)
#'
#'   A Python object does not outlive its session: what `saveRDS()` writes of it
#'   cannot be used after `readRDS()`, and says so. Make it again, with
#'   `resume = TRUE` to go on from its newest checkpoint.
#'
#'   Its methods (`set_model()`, `set_params()`, `on_train_begin()`,
#'   `on_train_end()`, `on_epoch_begin()`, `on_epoch_end()`, `on_batch_begin()`,
#'   `on_batch_end()`) may be called by hand in a training loop of one's own.
#'
#' @seealso Other callbacks, in the package keras3:
#'   * [`callback_csv_logger()`](https://keras3.posit.co/reference/callback_csv_logger.html)
#'   * [`callback_early_stopping()`](https://keras3.posit.co/reference/callback_early_stopping.html)
#'   * [`callback_lambda()`](https://keras3.posit.co/reference/callback_lambda.html)
#'   * [`callback_learning_rate_scheduler()`](https://keras3.posit.co/reference/callback_learning_rate_scheduler.html)
#'   * [`callback_reduce_lr_on_plateau()`](https://keras3.posit.co/reference/callback_reduce_lr_on_plateau.html)
#'   * [`callback_remote_monitor()`](https://keras3.posit.co/reference/callback_remote_monitor.html)
#'   * [`callback_tensorboard()`](https://keras3.posit.co/reference/callback_tensorboard.html)
#'   * [`callback_terminate_on_nan()`](https://keras3.posit.co/reference/callback_terminate_on_nan.html)
#'
#'   and, in the package keras only, `callback_progbar_logger()`.
#'
#' @examplesIf reticulate::py_available() && reticulate::py_module_available("keras")
#' # These lines run in a session in which Python runs already.
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
      # A double here is a whole number too large for R's integers.
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

# What Python calls with each checkpoint, as a named list.
as_told <- function(on_saved) {
  force(on_saved)
  function(checkpoint) {
    # A handler of the user's, around fit(), would jump out of the middle of
    # Python, which does not survive it. An error is carried through.
    withCallingHandlers(on_saved(checkpoint), warning = print_warning)
    # Else reticulate would make a Python object of what came back.
    NULL
  }
}

print_warning <- function(warning) {
  cat("\nWarning: `on_saved` says: ", conditionMessage(warning), "\n", sep = "")
  tryInvokeRestart("muffleWarning")
}
