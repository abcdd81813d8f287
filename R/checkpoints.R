#' Check the checkpoints in a folder for damage
#'
#' Reads each file that the journal `modelcheckpoint.jsonl` names, and compares
#' its size and checksum (crc32) with the journal; for a `.orbax` folder, it reads
#' every file in it. Of files that the journal does not name, only the outer
#' structure is checked: the directory of an archive, the signature of HDF5, the
#' names in a folder.
#'
#' One flipped bit anywhere in a file that the journal names makes it damaged.
#' Keras is not needed. Nothing is unpacked or unpickled, no code in a file is
#' run, and no file outside the folder is touched, whatever the folder contains.
#' Saves that are in progress in this session are completed first; other processes
#' may continue to save, and a file that is replaced during the check is checked
#' again. Each file is read once, so this takes as long as reading all of them; an
#' interactive session shows the progress.
#'
#' In a shell, `modelcheckpoint verify <folder>` does the same, if the Python
#' package is installed with its extra `cli`.
#'
#' @param folder The folder with the journal, or its address in an object store
#'   (`"s3://bucket/run"`), one string. `~` is the home folder.
#' @return A data frame with one row per checkpoint, in the order of the journal,
#'   followed by the files that the journal does not name, by name:
#'   \describe{
#'     \item{`path`}{name of the file, relative to `folder`}
#'     \item{`status`}{`"good"`; `"damaged"`; `"missing"`, if the file does not
#'       exist and the journal does not say why; or `"unknown"`, if the journal
#'       does not name the file (Keras itself may have written it), or if it is
#'       the last save of a run to an object store, which may have ended before
#'       the upload did}
#'     \item{`reason`}{what is wrong, or `NA`}
#'     \item{`epoch`, `value`, `bytes`, `time`, `run`}{what the journal records:
#'       the epoch from 1, the value of `monitor`, the size in bytes, when it
#'       was saved (`POSIXct`, UTC), and the run that saved it}
#'   }
#'   Without checkpoints, it has the same columns and no rows. In a document that
#'   knitr renders to HTML, `path`, `status` and `reason` are shown as a table.
#' @seealso `vignette("crash-safety", "modelcheckpoint")` says what to do with a
#'   damaged file.
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
#' found <- modelcheckpoint::verify_checkpoints(folder)
#' found[c("path", "status", "epoch")]
#' found[found$status != "good", c("path", "status", "reason")]
#' unlink(folder, recursive = TRUE)
#' @export
verify_checkpoints <- function(folder) {
  path <- as_filepath(folder)
  progress <- reading_bar()
  verification_frame(ask_python(sys.call(), function(for_r) {
    for_r$verify_checkpoints(path, progress)
  }))
}

# Only knitr uses this class.
verification_frame <- function(columns) {
  structure(
    frame_of(columns),
    class = c("modelcheckpoint_verification", "data.frame")
  )
}

# Python calls this with the number of bytes read, and the number in all.
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
