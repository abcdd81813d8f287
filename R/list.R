#' List the checkpoints in a folder
#'
#' Lists the existing checkpoints in the order of saving, with what the journal
#' `modelcheckpoint.jsonl` beside them records about each.
#'
#' Only the journal is opened: a file is described by the newest line with its
#' name and its size. Whether the contents are intact is checked only by
#' [verify_checkpoints()], which reads every file. Keras is not needed. Saves that
#' are in progress in this session are completed first; other processes may
#' continue to save.
#'
#' Files that no line describes, such as those that Keras itself wrote, are listed
#' first, by the time at which they were written, with their size and the format
#' of their suffix. Temporary files, links and deleted files are not listed.
#'
#' In a shell, `modelcheckpoint list <folder>` does the same, if the Python
#' package is installed with its extra `cli`.
#'
#' @param folder The folder with the checkpoints and their journal, if there is
#'   one, or its address in an object store (`"s3://bucket/run"`); one string.
#'   `~` is the home folder.
#' @return A data frame of class `modelcheckpoint_list` with one row per
#'   checkpoint. Unknown values are `NA`, and `time` is a `POSIXct`:
#'   \describe{
#'     `r column_items()`
#'   }
#'   These are followed by one column for each metric that Keras reported; if a
#'   metric has the name of a column above, its column is called `logs.<name>`.
#'   Without checkpoints, the result has the columns above and no rows. `print()`
#'   shows the informative columns under the same names, except that the value of
#'   a single `monitor` is shown under the metric's name. If the console is too
#'   narrow, it omits `time`, `bytes`, `monitor` and `batch`, in this order, and
#'   names the omitted columns below the table; only then does it shorten file
#'   names. In a document that knitr renders to HTML, a list is shown as a table.
#'   `plot()` draws the list: see [plot.modelcheckpoint_list()].
#'
#'   Lists can be combined with `rbind()` or `dplyr::bind_rows()`, also lists of
#'   several folders. Names are then printed relative to the folder that contains
#'   all of them, and each list keeps its best.
#' @seealso [latest_checkpoint()], [prune_checkpoints()]
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
#' found <- modelcheckpoint::list_checkpoints(folder)
#' found
#' found[found$epoch > 2, c("name", "loss")]
#' unlink(folder, recursive = TRUE)
#' @export
list_checkpoints <- function(folder) {
  path <- as_filepath(folder)
  list_frame(ask_python(sys.call(), function(for_r) {
    for_r$list_checkpoints(path)
  }))
}

#' Find the newest or the best checkpoint
#'
#' `latest_checkpoint()` returns the path of the newest checkpoint in a folder,
#' `best_checkpoint()` the path of the best.
#'
#' The newest is the last checkpoint that the journal describes. If it describes
#' none, it is the file that was written last. The best is chosen among the
#' existing files that the journal describes, of any run. Of equal values, the
#' earlier one counts as better; NaN and infinite values never are. Only the journal
#' is opened, and Keras is not needed.
#'
#' In a shell, `modelcheckpoint latest <folder>` and `modelcheckpoint best
#' <folder>` do the same, if the Python package is installed with its extra `cli`.
#'
#' @inheritParams list_checkpoints
#' @param monitor The metric to compare: any that Keras reported at the saves.
#'   `NULL`: the one that the newest checkpoint monitors.
#' @param mode `"min"` or `"max"`. `NULL`: as it was saved, or else as the
#'   metric's name tells.
#' @return An absolute path for `load_model()` or `load_weights()`. In an object
#'   store it is the address of the checkpoint, which Keras cannot load;
#'   [fetch_checkpoint()] copies it to a path that Keras can load. If there is no
#'   checkpoint, `NULL`, and a message says why.
#' @seealso [list_checkpoints()], [verify_checkpoints()]
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
#' modelcheckpoint::latest_checkpoint(folder)
#' model <- keras$models$load_model(modelcheckpoint::best_checkpoint(folder))
#' # With keras3: model <- keras3::load_model(modelcheckpoint::best_checkpoint(folder))
#' unlink(folder, recursive = TRUE)
#' @export
latest_checkpoint <- function(folder) {
  path <- as_filepath(folder)
  path_or_null(ask_python(sys.call(), function(for_r) {
    for_r$latest_checkpoint(path)
  }))
}

#' @rdname latest_checkpoint
#' @export
best_checkpoint <- function(folder, monitor = NULL, mode = NULL) {
  path <- as_filepath(folder)
  if (!is.null(monitor)) {
    monitor <- as_string(monitor)
  }
  if (!is.null(mode)) {
    mode <- as_choice(mode, c("min", "max"), rule = "NULL, \"min\" or \"max\"")
  }
  path_or_null(ask_python(sys.call(), function(for_r) {
    for_r$best_checkpoint(path, monitor, mode)
  }))
}

#' Delete all checkpoints but a few
#'
#' Keeps every checkpoint that at least one of the three arguments selects, and
#' always the newest and the best. The folder is treated as a whole, whichever
#' runs wrote into it: with `keep_latest = 3` the newest three are left, and the
#' best if it is not one of them.
#'
#' Only files whose name and size are in the journal are deleted, and none behind
#' a link; a file that a running `fit()` writes in the meantime stays. The
#' journal records each removal, durably, before the file is deleted. Folders that
#' become empty are deleted too.
#'
#' In a shell, `modelcheckpoint prune <folder>` does the same, if the Python
#' package is installed with its extra `cli`.
#'
#' @inheritParams list_checkpoints
#' @param keep_latest How many of the newest to keep, a whole number >= 1.
#' @param keep_best How many of the best to keep by each monitored metric, a
#'   whole number >= 1.
#' @param keep_every Keep the last one of each epoch that is a multiple of this
#'   whole number >= 1.
#' @param dry_run `TRUE` to delete nothing and only show what would be deleted.
#' @return What was deleted, or would be deleted: a data frame like that of
#'   [list_checkpoints()], invisibly if something was deleted. A message sums it
#'   up.
#' @seealso [list_checkpoints()]
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
#' modelcheckpoint::prune_checkpoints(folder, keep_latest = 2, keep_every = 3)
#' modelcheckpoint::prune_checkpoints(folder, keep_latest = 2, dry_run = FALSE)
#' list.files(folder)
#' unlink(folder, recursive = TRUE)
#' @export
prune_checkpoints <- function(
  folder,
  keep_latest = NULL,
  keep_best = NULL,
  keep_every = NULL,
  dry_run = TRUE
) {
  path <- as_filepath(folder)
  keep <- list(
    as_count(keep_latest), as_count(keep_best), as_count(keep_every)
  )
  dry_run <- as_flag(dry_run)
  call <- sys.call()
  done <- ask_python(call, function(for_r) {
    keep <- lapply(keep, function(n) if (is.double(n)) as_python_int(n) else n)
    for_r$prune_checkpoints(path, keep[[1]], keep[[2]], keep[[3]], dry_run)
  })
  message(done$message)
  if (!is.null(done$wrong)) {
    abort(done$wrong, call)
  }
  pruned <- list_frame(done$list)
  if (dry_run) pruned else invisible(pruned)
}

# The path in an answer; if there is none, prints the reason.
path_or_null <- function(answer) {
  if (is.null(answer[[1]])) {
    message(answer[[2]])
  }
  answer[[1]]
}

# The help page's section on the columns, for roxygen.
column_items <- function() {
  means <- ask_python(NULL, function(for_r) for_r$column_descriptions())
  paste0("\\item{`", names(means), "`}{", means, "}", collapse = "\n")
}

list_frame <- function(listed) {
  structure(
    frame_of(listed$columns),
    class = c("modelcheckpoint_list", "data.frame"),
    folder = listed$folder,
    curve = curve_frame(listed$curve)
  )
}

curve_frame <- function(curve) {
  structure(frame_of(curve$points), legend = frame_of(curve$legend))
}
