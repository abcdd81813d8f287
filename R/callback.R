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
#' @param filepath Where to save: one string, the path of a local file. It may
#'   hold named fields, which are filled for each save: `{epoch}`, counted from
#'   1, and the name of each metric that training logs, such as `{loss}` or
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
#'   of a `fit()` is an error when it fails, in either case. What fails in the
#'   background is told by the next hook, or is its error. May be abbreviated.
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
#' @section Formats:
#' | suffix of `filepath` | full model | weights only |
#' |---|---|---|
#' | `.keras` | Keras 3 archive | error |
#' | `.weights.h5` | error | weights and the state of the optimizer, Keras 3 |
#' | `.h5`, `.hdf5` | HDF5 | HDF5, as `load_model_weights()` reads it |
#' | any other, or none | error | error |
#'
#' The error names the suffix that fits. A full model loads with
#' `keras3::load_model()`, weights load with `keras3::load_model_weights()`.
#' A full model with a part that has no config (a layer, loss, metric or
#' learning rate schedule of your own without `get_config`) raises an error
#' before the first batch; its weights alone can be saved. So does what HDF5
#' cannot hold, so that it would not load (the vocabulary of a
#' `layer_text_vectorization()`, a function as loss, a class that its config
#' does not rebuild). The error names a format that works. A `.keras` file of
#' a class that its config does not rebuild is saved, and a line before the
#' first batch says that `load_model()` does not rebuild it,
#' that `load_model_weights()` takes the same file, and how to mend the class.
#'
#' @section Going on:
#' With `resume = TRUE` the newest checkpoint of the same `filepath` (below its
#' folder, which may have moved) and format is loaded when `fit()` begins, if
#' its size, checksum and structure are right; a damaged one is passed over, and
#' told. Weights, the optimizer with its learning rate, the seed generators (of
#' Dropout, and of layers that draw without a seed), and the states of stateful
#' recurrent layers are restored, `best`, the counts of samples and of what passed
#' since a save fell due go on, the journal continues under the same run, and
#' `fit()` begins with the next epoch, whatever `initial_epoch` is. With seeds
#' set and data in a fixed order (`shuffle = FALSE`), the weights are those of a
#' run that was never stopped, bit for bit on a CPU, on TensorFlow, JAX and
#' Torch. One line says where it goes on.
#'
#' * An epoch in whose middle the checkpoint was saved begins anew, with seed
#'   generators and states as they were when it was saved.
#' * States of stateful layers that take more than 64 KiB together are not in
#'   the journal: the layers keep those that they have, which is told.
#' * With `save_best_only` the newest checkpoint is the best one: training goes
#'   on from there.
#' * `.h5` and `.hdf5` with `save_weights_only` have no optimizer state: the
#'   optimizer starts anew, which is told.
#' * The state of another optimizer than the one here (`Adam` in the file, `AdamW`
#'   in the script) is not used: the optimizer starts from scratch, and a warning
#'   names both.
#' * On tf_keras, and Keras 2, the state of Dropout is lost.
#' * Beside Keras' `SwapEMAWeights(swap_on_epoch = TRUE)`, placed before this
#'   callback, the files hold averages, and training goes on from the trained
#'   weights all the same; from a file without the optimizer's state it goes on
#'   from the averages, which is told. The last epoch of a `fit()` leaves only
#'   averages.
#' * Not restored is what other callbacks have counted (early stopping, a
#'   learning rate that is to be reduced on a plateau), and the order of
#'   shuffled data. Put this callback last in the list, so that it saves what
#'   others have changed.
#' * The model has to be as it was, and to be compiled as it was; another one is
#'   an error that leaves it as it is.
#' * After a `fit()` that ended as it should, the next one with this callback
#'   goes on from the model, not from a file. A script with several calls of
#'   `fit()` needs one numbering of epochs (`initial_epoch`) to be resumed.
#'
#' If nothing is found but the folder has other checkpoints (another `filepath`,
#' a lost journal, files written by Keras), a warning names the newest of them,
#' and files that this run did not write are kept under another name,
#' `<name>.run-<id><suffix>` or `<name>.run-unknown<suffix>`, before they are
#' overwritten.
#'
#' Without `resume`, one line says so where a folder could be resumed, unless
#' [restore_checkpoint()] has done it by hand.
#'
#' @section How it differs from Keras' own callback:
#' * A number as `save_freq` counts samples; Keras counts batches. With
#'   `save_freq_unit = "batches"` both count alike.
#' * Keras writes in place, so that a save that fails destroys the checkpoint
#'   that was there. Here the old file stays until the new one is complete.
#' * Without its metric, Keras overwrites the best model. Here it is kept.
#' * A `NaN` in the first epoch stays the best for ever in Keras, not here.
#' * Names are made only for a save that happens: with `validation_freq = 2`,
#'   `{val_loss}` ends training in Keras.
#' * An unknown `mode`, a suffix that does not fit, and a `save_freq` of 0 are
#'   errors here at once.
#' * A worse second run does not overwrite the best of the first: that file is
#'   kept aside, as `best.run-<id>.keras`, and both values are told.
#' * The seventh argument is `period`, `save_freq` is the eighth.
#'
#' @section Keeping few:
#' With none of `keep_latest`, `keep_best` and `keep_every` every checkpoint
#' stays, also with `save_best_only`. With any of them, what stays is what at
#' least one of them asks for; the newest and the best stay in any case. Of
#' equal values the earlier is the better, and a value that is `NaN`, infinite
#' or not there is never the best.
#'
#' Only files are deleted that this run wrote (another `fit()` with the same
#' callback and model is the same run), that have the size they were written
#' with, and that no other run has written since: another callback's
#' checkpoints in the same folder stay. Of the checkpoints of this `filepath`
#' that one run has kept aside for another, the best stays.
#'
#' If two checkpoints of one run get the same name (`{val_loss:.2f}` rounded
#' alike, a second `fit()`), the earlier one is replaced, unless it is the best
#' or otherwise to be kept: then it is kept as `<name>.run-<id><suffix>`. You
#' are warned once.
#' A folder below that of the checkpoints that is empty then goes, too. What
#' cannot be deleted is told once, and tried again after each save. The journal
#' tells of each deletion.
#'
#' They need a `filepath` with a field: one without has one checkpoint, which
#' each save overwrites.
#'
#' @section Leaving early:
#' With `save_on_exit = TRUE`, Ctrl-C (SIGINT) and SIGTERM wait until the batch
#' in flight has ended and the model is saved; then they do what they would
#' have done: Ctrl-C is an interrupt of R, SIGTERM ends the session. A second
#' one acts at once. What a field of the name needs and is there at the end of
#' an epoch only is written as `nan`. While no `fit()` runs, or after one that
#' ended with an error, both act as ever. They are not waited for where several
#' workers save together, which is told, and a signal that comes while a
#' function of R runs, `on_saved` say, is seen when that has returned. But while
#' such a function sleeps in [Sys.sleep()], which has a handler of its own,
#' Ctrl-C ends it at once: `fit()` ends with an error, and nothing is saved.
#' `reticulate::import("time")$sleep()` has none.
#'
#' @section The journal:
#' Each save adds one line of JSON to the file `modelcheckpoint.jsonl` in the
#' folder of the checkpoints, with the keys `schema`, `path` (seen from that
#' folder), `epoch`, `batch`, `samples`, `logs`, `monitor`, `value`, `mode`,
#' `best` (was it the best so far?), `format`, `bytes`, `crc32`, `time` (UTC),
#' `run`, `template`, `versions`, `epochs_done`, `since` (a save last fell due),
#' and, to go on from there, `seeds`, `random`, `global_seed`, `states`,
#' `averaged`, `build` and `optimizer`. In the line of a file that was kept under
#' a second name, `kept_by` is the run that kept it. Read the journal with
#'
#' ```r
#' jsonlite::stream_in(file("checkpoints/modelcheckpoint.jsonl"))
#' ```
#'
#' A session that is killed while it writes can leave a torn line, at which
#' `stream_in()` stops; `Filter(jsonlite::validate, readLines(file))` leaves it
#' out. A checkpoint that was deleted, or never came, has another line, with its
#' name in `removed` and no `path`. The checkpoints load without the journal.
#' When it is deleted, `resume` finds nothing to go on from, and what was saved
#' before is listed, but neither verified nor deleted.
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
  arguments <- list(
    filepath = as_filepath(filepath),
    monitor = as_string(monitor),
    verbose = as_verbose(verbose),
    save_best_only = as_flag(save_best_only),
    save_weights_only = as_flag(save_weights_only),
    mode = as_choice(mode, c("auto", "min", "max")),
    period = as_period(period),
    save_freq = as_save_freq(save_freq),
    save_freq_unit = as_choice(save_freq_unit, c("samples", "batches")),
    initial_value_threshold = as_threshold(initial_value_threshold),
    on_error = as_choice(on_error, c("warn", "raise")),
    background = as_flag(background),
    on_saved = as_function(on_saved),
    keep_latest = as_count(keep_latest),
    keep_best = as_count(keep_best),
    keep_every = as_count(keep_every),
    save_seconds = as_seconds(save_seconds),
    save_on_exit = as_flag(save_on_exit),
    resume = as_flag(resume),
    restore_best = as_flag(restore_best)
  )
  new_callback(arguments, call = sys.call())
}

# The arguments that are whole numbers of any size.
whole_numbers <- c(
  "period", "save_freq", "keep_latest", "keep_best", "keep_every"
)

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

# A Python object ends with its session, and saveRDS() writes an empty shell of
# it, of which reticulate says that each value is NULL.
lost_callback <- paste(
  "This callback is lost: saveRDS() and save() cannot keep a Python object, nor",
  "can a new R session. Make it again with callback_model_checkpoint();",
  "`resume = TRUE` goes on from its newest checkpoint."
)

check_alive <- function(x, call) {
  if (reticulate::py_is_null_xptr(x)) {
    abort(lost_callback, call)
  }
}

#' @export
`$.modelcheckpoint.callback.ModelCheckpoint` <- function(x, name) {
  check_alive(x, sys.call())
  if (!name %in% whole_numbers) {
    return(NextMethod())
  }
  # reticulate makes 0 of a Python integer above 2^31.
  shown <- reticulate::py_str(reticulate::py_get_attr(x, name))
  if (shown == "None") {
    return(NULL)
  }
  if (grepl("^[0-9]+$", shown)) as_whole(as.double(shown)) else shown
}

#' @export
`[[.modelcheckpoint.callback.ModelCheckpoint` <- function(x, name) {
  check_alive(x, sys.call())
  NextMethod()
}
