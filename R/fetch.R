#' Copy a checkpoint to this machine
#'
#' Copies a checkpoint to a folder on this machine, completely or not at all.
#' Keras cannot load an address such as `"s3://bucket/run/07.keras"`, so call this
#' before `load_model()`. If the journal beside the checkpoint describes it, the
#' copy is compared with that: a single flipped bit raises an error. A `.orbax`
#' folder is copied with everything in it. Saves that are in progress in this
#' session are completed first.
#'
#' `modelcheckpoint fetch <path> <folder>` does the same in a shell.
#'
#' @param path Address of a checkpoint, as [best_checkpoint()] and
#'   [latest_checkpoint()] return it, or its path, one string.
#' @param to The folder, one string. It is created if it does not exist; `~` is
#'   the home folder. The copy has the name of the checkpoint. If the folder
#'   already has the same checkpoint, that one is kept. If it has something else
#'   under this name, an error is raised and nothing changes.
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
