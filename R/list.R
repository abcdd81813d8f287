#' What checkpoints are in a folder?
#'
#' Lists the checkpoints that are there now, in the order of saving, with what
#' the journal `modelcheckpoint.jsonl` beside them says of each.
#'
#' No file is opened but the journal: a file is taken for what the newest line
#' of its name with its size says. Whether its contents are those that were
#' saved only [verify_checkpoints()] tells, which reads all of them. No Keras is
#' needed. Saves that are under way in this session are waited for; those of
#' other processes may go on.
#'
#' Files that no line fits, as where Keras itself wrote them, are listed before
#' all others, by the time at which they were written, with their size and the
#' format that their suffix tells. Temporary files, links, and files that are
#' gone are not listed.
#'
#' `modelcheckpoint list <folder>` does the same in a shell, where the Python
#' package is installed with its extra `cli`.
#'
#' @param folder The folder with the checkpoints, and their journal, if there is
#'   one, or its address in an object store (`"s3://bucket/run"`); one string.
#'   `~` is the home folder.
#' @return A data frame of class `modelcheckpoint_list` with one row for each
#'   checkpoint; `NA` stands for what is not known, and `time` is a `POSIXct`:
#'   \describe{
#'     `r column_items()`
#'   }
#'   Then a column for each metric that Keras reported; one that has the name of
#'   a column above is called `logs.<name>`. With no checkpoints there are the
#'   columns above and no rows. `print()` shows the columns that tell something,
#'   under the same names, but for the value of a single `monitor`, which its
#'   name heads. `plot()` draws it: see [plot.modelcheckpoint_list()].
#'
#'   Lists can be bound by `rbind()` or `dplyr::bind_rows()`, also those of
#'   several folders. Names are then printed as seen from the folder that is
#'   above all of them, and each list keeps its best.
#' @seealso [latest_checkpoint()], [prune_checkpoints()]
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

#' Which checkpoint is the newest, and which the best?
#'
#' `latest_checkpoint()` returns the path of the newest checkpoint in a folder,
#' `best_checkpoint()` that of the best.
#'
#' The newest is the last of those that the journal describes, in its order.
#' Where it describes none, it is the file that was written last. For the best,
#' the files that are there and that the journal describes are compared, of any
#' run. Of equal values the earlier is the better; NaN and the infinities never
#' are. No file is opened but the journal, and no Keras is needed.
#'
#' `modelcheckpoint latest <folder>` and `modelcheckpoint best <folder>` do the
#' same in a shell, where the Python package is installed with its extra `cli`.
#'
#' @inheritParams list_checkpoints
#' @param monitor What is compared: any quantity that Keras reported when it
#'   saved. `NULL`: what the newest checkpoint monitors.
#' @param mode `"min"` or `"max"`. `NULL`: as it was saved, else as the name of
#'   the quantity tells.
#' @return An absolute path that `load_model()` and `load_weights()` take. In an
#'   object store it is the address of the checkpoint: Keras cannot load that, but
#'   [fetch_checkpoint()] copies it to a path that Keras takes. If there is no
#'   checkpoint, `NULL`, and a message that says so.
#' @seealso [list_checkpoints()], [verify_checkpoints()]
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

#' Delete checkpoints, but for those that are to be kept
#'
#' What is kept is the union of what the three arguments ask for. The newest and
#' the best are kept in any case. The folder is taken as a whole, whichever runs
#' wrote into it: with `keep_latest = 3` three are left.
#'
#' Only files that a line of the journal describes, by name and size, are
#' deleted, and none behind a link; one that a run that goes on writes meanwhile
#' stays. The journal says that a file is removed, durably, before it is.
#' Folders that this leaves empty go too.
#'
#' `modelcheckpoint prune <folder>` does the same in a shell, where the Python
#' package is installed with its extra `cli`.
#'
#' @inheritParams list_checkpoints
#' @param keep_latest Keep the newest so many, a whole number >= 1.
#' @param keep_best Keep the best so many, a whole number >= 1, of each
#'   monitored quantity.
#' @param keep_every Keep the last one of each epoch that is a multiple of this,
#'   a whole number >= 1.
#' @param dry_run Delete nothing, and only tell what would be.
#' @return What was deleted, or would be: a data frame as [list_checkpoints()]
#'   returns it, invisibly where something was deleted. A message sums it up.
#' @seealso [list_checkpoints()]
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

# Of a path, and a sentence that says why there is none.
path_or_null <- function(answer) {
  if (is.null(answer[[1]])) {
    message(answer[[2]])
  }
  answer[[1]]
}

# The columns' part of the help page, for roxygen.
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
