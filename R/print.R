# What a callback tells of itself at the console.

#' @export
print.modelcheckpoint.callback.ModelCheckpoint <- function(x, ...) {
  # The object of a session that has ended, read back by readRDS().
  if (reticulate::py_is_null_xptr(x)) {
    return(NextMethod())
  }
  cli::cat_line("<model checkpoint>")
  cli::cat_line("file:    ", x$filepath)
  cli::cat_line("saves:   ", describe_saves(x))
  cli::cat_line("monitor: ", x$monitor, ", mode \"", x$mode, "\"")
  best <- if (is.null(x$best)) "none yet" else format(x$best)
  cli::cat_line("best:    ", best)
  if (length(x$problems) > 0) {
    cli::cat_line("problems: ", length(x$problems), ", see `$problems`")
  }
  invisible(x)
}

describe_saves <- function(x) {
  what <- if (x$save_weights_only) "weights" else "full model"
  when <- if (identical(x$save_freq, "epoch")) {
    describe_interval(x$period, "epoch", "epochs")
  } else {
    one <- c(samples = "sample", batches = "batch")[[x$save_freq_unit]]
    describe_interval(x$save_freq, one, x$save_freq_unit)
  }
  condition <- if (x$save_best_only) "if it is the best so far"
  where <- if (!x$background) "on the thread that trains"
  paste(c(what, when, condition, where), collapse = ", ")
}

describe_interval <- function(n, one, many) {
  if (n == 1) paste("every", one) else sprintf("every %.0f %s", n, many)
}
