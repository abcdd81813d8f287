#' Are the checkpoints of a folder whole?
#'
#' Reads each file that the journal `modelcheckpoint.jsonl` names, and compares
#' its size and checksum (crc32) with its line there. Of other files only the
#' outer structure is looked at: the directory of an archive, the signature of
#' HDF5.
#'
#' No Keras is needed. Nothing is unpacked or unpickled, no code in a file is
#' run, and no file outside the folder is touched, whatever the folder holds.
#' One flipped bit anywhere in a file that a line names makes it damaged. Saves
#' that are under way in this session are waited for; those of other processes
#' may go on, and a file that is exchanged meanwhile is looked at anew. Each
#' file is read once, so this takes as long as reading all of them; an
#' interactive session shows how far it is.
#'
#' `modelcheckpoint verify <folder>` does the same in a shell, where the Python
#' package is installed with its extra `cli`.
#'
#' @param folder The folder with the journal, or its address in an object store
#'   (`"s3://bucket/run"`), one string. `~` is the home folder.
#' @return A data frame with one row for each checkpoint, in the order of the
#'   journal, then files of which it says nothing, by name:
#'   \describe{
#'     \item{`path`}{name of the file, relative to `folder`}
#'     \item{`status`}{`"good"`; `"damaged"`; `"missing"`, where no line of the
#'       journal says that it was deleted or never came; or `"unknown"`, where
#'       no line names the file, as where Keras itself wrote it, or where it is
#'       the last save of a run in an object store, which may have ended before
#'       the upload did}
#'     \item{`reason`}{what is wrong, or `NA`}
#'     \item{`epoch`, `value`, `bytes`, `time`, `run`}{what the journal says:
#'       the epoch from 1, the value of `monitor`, the size in bytes, when it
#'       was saved (`POSIXct`, UTC), and the run that saved it}
#'   }
#'   With no checkpoints it has the same columns and no rows.
#' @seealso `vignette("crash-safety", "modelcheckpoint")`
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
#' found <- modelcheckpoint::verify_checkpoints(folder)
#' found[c("path", "status", "epoch")]
#' found[found$status != "good", c("path", "status", "reason")]
#' unlink(folder, recursive = TRUE)
#' @export
verify_checkpoints <- function(folder) {
  path <- as_filepath(folder)
  progress <- reading_bar()
  frame_of(ask_python(sys.call(), function(for_r) {
    for_r$verify_checkpoints(path, progress)
  }))
}

# What Python calls with the bytes that were read, and how many there are.
reading_bar <- function(shown = interactive(), frame = parent.frame()) {
  if (!shown) {
    return(NULL)
  }
  bar <- NULL
  function(done, whole) {
    if (is.null(bar)) {
      bar <<- cli::cli_progress_bar(
        "Reading", total = whole, .auto_close = FALSE, .envir = frame
      )
    }
    cli::cli_progress_update(set = done, id = bar, .envir = frame)
    if (done >= whole) {
      cli::cli_progress_done(id = bar, .envir = frame)
    }
    NULL
  }
}
