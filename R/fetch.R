#' Bring a checkpoint to this machine
#'
#' Copies a checkpoint to a folder of this machine, whole or not at all. Keras
#' cannot load an address such as `"s3://bucket/run/07.keras"`, so call this
#' before `load_model()`. The copy is compared with the journal beside the
#' checkpoint, if that describes it: a single flipped bit raises an error. Saves
#' that are under way in this session are waited for.
#'
#' `modelcheckpoint fetch <path> <folder>` does the same in a shell.
#'
#' @param path Address of a checkpoint, as [best_checkpoint()] and
#'   [latest_checkpoint()] return it, or its path, one string.
#' @param to The folder, one string. It is created if it does not exist; `~` is
#'   the home folder. The copy has the file name of the checkpoint. If the folder
#'   already has the same file, that file is kept. If it has another file of this
#'   name, an error is raised, and that file stays as it is.
#' @return The absolute path of the copy, one string. If the checkpoint is
#'   damaged, an error is raised, and nothing of it is left.
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
