#' Load a checkpoint into a model
#'
#' Restores the weights, the optimizer's state, and the states of the seed
#' generators (of Dropout) and of stateful layers. With `resume = TRUE`,
#' [callback_model_checkpoint()] does this by itself.
#'
#' No code in the file is run, and nothing is unpickled: the weights go into the
#' existing model. If the journal in the file's folder, or in one of the eight
#' folders above, has a line for the file, its size and checksum are compared with
#' that line. Everything but the weights and the optimizer's state comes from the
#' journal. On Torch, `fit()` itself draws from the generator of Dropout before
#' its first batch, so only `resume = TRUE` continues it exactly. A file that was
#' saved with Keras' `SwapEMAWeights` can contain averages; the model then has
#' these.
#'
#' If the file has the state of a different optimizer (another class, or the same
#' class with other variables), the weights are restored, the optimizer starts
#' from scratch, and a warning says so.
#'
#' @section Continuing with fit():
#' `epochs_done` is the number of complete epochs. What `fit()` expects as
#' `initial_epoch` differs:
#'
#' | | counts from | to continue |
#' |---|---|---|
#' | `keras3::fit()` | 1 | `initial_epoch = restored$epochs_done + 1L` |
#' | `model$fit()` | 0 | `initial_epoch = restored$epochs_done` |
#' | `keras::fit()` (legacy) | 0 | `initial_epoch = restored$epochs_done` |
#' | Python | 0 | `initial_epoch=restored.epochs_done` |
#'
#' In all of them, `epochs` is the number of the last epoch: with `epochs = 10` and
#' 4 epochs done, 6 are trained.
#'
#' @param model A Keras model, compiled if the optimizer is to be restored. If it
#'   is not built yet, it is built from what the journal records.
#' @param path One string: a `.keras`, `.weights.h5`, `.h5` or `.hdf5` file; or a
#'   `.orbax` folder, as this package or Keras' own `OrbaxCheckpoint` wrote it,
#'   whatever the names of the model's layers are; or the address of a file in an
#'   object store, which is first copied to a temporary folder. `~` is the home
#'   folder.
#' @return A named list of
#'   \describe{
#'     \item{`path`}{the absolute path of the file}
#'     \item{`epochs_done`}{how many epochs were complete when it was saved}
#'     \item{`epoch`, `batch`}{in which epoch it was saved, and after which of
#'       its batches, from 1; `batch` is `NULL` at the epoch's end}
#'     \item{`samples`, `value`}{samples seen, and the value of `monitor`}
#'     \item{`optimizer`, `seeds`}{whether the states of the optimizer and of the
#'       seed generators were restored}
#'     \item{`states`}{whether the stateful layers have the states of the
#'       checkpoint; `TRUE` if the model has no such layers}
#'     \item{`optimizer_note`}{why the optimizer's state was not restored, or that
#'       it is unknown which optimizer the state belongs to}
#'     \item{`record`}{the journal's line for the file, a named list like the
#'       argument of `on_saved` in [callback_model_checkpoint()]}
#'   }
#'   What is unknown, for example because the journal has no line for the file, is
#'   `NULL`. If the file is damaged or belongs to another model, an error is
#'   raised and the model is as it was.
#' @examplesIf reticulate::py_available() && reticulate::py_module_available("keras")
#' # This example runs only if Python is already running in this session.
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
