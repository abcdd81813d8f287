#' Bring a checkpoint to this machine
#'
#' Copies a checkpoint to a folder of this machine, whole or not at all. Keras
#' loads no address such as `"s3://bucket/run/07.keras"`, so this comes before
#' `load_model()`. What arrives is compared with the journal beside the
#' checkpoint, if that tells of it: one flipped bit is an error. Saves that are
#' under way in this session are waited for.
#'
#' `modelcheckpoint fetch <path> <folder>` does the same in a shell.
#'
#' @param path Address of a checkpoint, as [best_checkpoint()] and
#'   [latest_checkpoint()] return it, or its path, one string.
#' @param to The folder, one string, which is made if it is not there; `~` is
#'   the home folder. The copy has the name of the checkpoint, without what
#'   leads to it. If the folder has the same file already, that is kept; another
#'   file of that name is an error, and stays.
#' @return The absolute path of the copy, one string. If the checkpoint is not
#'   what the journal says, that is an error, and nothing of it is left.
#' @seealso `vignette("object-storage", "modelcheckpoint")`
#' @examplesIf FALSE
#' best <- modelcheckpoint::best_checkpoint("s3://bucket/run")
#' model <- keras3::load_model(modelcheckpoint::fetch_checkpoint(best))
#' @export
fetch_checkpoint <- function(path, to = ".") {
  path <- as_filepath(path)
  to <- as_filepath(to)
  ask_python(sys.call(), function(for_r) for_r$fetch_checkpoint(path, to))
}
