#' Back to a checkpoint
#'
#' Loads a checkpoint into a model: its weights, the state of the optimizer, the
#' states of the seed generators (of Dropout), and those of stateful layers. With
#' `resume = TRUE`, [callback_model_checkpoint()] does this by itself.
#'
#' Nothing in the file is run, and nothing is unpickled: its weights go into the
#' model that is there. Size and checksum are compared with the journal's line,
#' if the journal in the file's folder, or in one of the eight above, has one;
#' it tells all but the weights and the optimizer's state. On Torch, `fit()`
#' itself draws from the generator of Dropout before its first batch: there only
#' `resume = TRUE` continues it exactly. A file that was saved beside Keras'
#' `SwapEMAWeights` can hold averages; the model then has those.
#'
#' If the file has the state of another optimizer (another class, or the same
#' with other variables), the weights are restored, the optimizer starts from
#' scratch, and a warning says so.
#'
#' @section Going on with fit():
#' `epochs_done` is a count, of epochs that are complete. What `fit()` takes as
#' `initial_epoch` is a number, and not everywhere the same:
#'
#' | | counts from | to go on |
#' |---|---|---|
#' | `keras3::fit()` | 1 | `initial_epoch = restored$epochs_done + 1L` |
#' | `model$fit()` | 0 | `initial_epoch = restored$epochs_done` |
#' | `keras::fit()` (legacy) | 0 | `initial_epoch = restored$epochs_done` |
#' | Python | 0 | `initial_epoch=restored.epochs_done` |
#'
#' `epochs` is the number of the last epoch in all of them: with `epochs = 10`
#' and 4 epochs done, 6 are trained.
#'
#' @param model A Keras model, compiled if the optimizer is to be restored. Where
#'   it is not built yet, it is built if the journal tells how.
#' @param path The file, one string: `.keras`, `.weights.h5`, `.h5` or `.hdf5`.
#'   `~` is the home folder. Or the address of one in an object store, which is
#'   copied to a temporary folder first.
#' @return A named list of
#'   \describe{
#'     \item{`path`}{the absolute path of the file}
#'     \item{`epochs_done`}{how many epochs were complete when it was saved}
#'     \item{`epoch`, `batch`}{in which epoch it was saved, and after which of
#'       its batches, from 1; `batch` is `NULL` at the epoch's end}
#'     \item{`samples`, `value`}{samples seen, and the value of `monitor`}
#'     \item{`optimizer`, `seeds`}{whether the states of the optimizer and of the
#'       seed generators were restored}
#'     \item{`states`}{whether the states of stateful layers are those of the
#'       checkpoint; `TRUE` where the model has none}
#'     \item{`optimizer_note`}{why the optimizer's state was not restored, or that
#'       nothing tells which optimizer it is of}
#'     \item{`record`}{what the journal says of it, a named list as `on_saved`
#'       of [callback_model_checkpoint()] gets it}
#'   }
#'   What nothing tells, as where the journal has no line for the file, is
#'   `NULL`. A file that is damaged, or of another model, is an error, after which
#'   the model is as it was.
#' @examplesIf reticulate::py_available() && reticulate::py_module_available("keras")
#' # These lines run in a session in which Python runs already.
#' keras <- reticulate::import("keras")
#' model <- keras$Sequential(list(keras$layers$Dense(1L)))
#' model$compile(optimizer = "sgd", loss = "mse")
#' folder <- tempfile("checkpoints-")
#' checkpoint <- modelcheckpoint::callback_model_checkpoint(
#'   file.path(folder, "{epoch:02d}.keras"),
#'   monitor = "loss"
#' )
#' x <- matrix(1:8 / 8)
#' history <- model$fit(
#'   x, 2 * x,
#'   epochs = 4L, verbose = 0L, callbacks = list(checkpoint)
#' )
#'
#' restored <- modelcheckpoint::restore_checkpoint(model, file.path(folder, "03.keras"))
#' restored$epochs_done
#' history <- model$fit(
#'   x, 2 * x,
#'   initial_epoch = restored$epochs_done, epochs = 10L, verbose = 0L
#' )
#' length(history$epoch)
#' # fit() of keras3 counts from 1: initial_epoch = restored$epochs_done + 1
#' unlink(folder, recursive = TRUE)
#' @export
restore_checkpoint <- function(model, path) {
  path <- as_filepath(path)
  model <- as_model(model)
  restored <- ask_python(sys.call(), keras = TRUE, function(for_r) {
    for_r$restore_checkpoint(model, path)
  })
  if (!is.null(restored$surprise)) {
    warning(restored$surprise, call. = FALSE)
  }
  restored[setdiff(names(restored), "surprise")]
}
