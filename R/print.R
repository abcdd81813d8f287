# How a callback prints at the console.

#' @export
print.modelcheckpoint.callback.ModelCheckpoint <- function(x, ...) {
  if (reticulate::py_is_null_xptr(x)) {
    cli::cat_line("<model checkpoint>")
    cli::cat_line(lost_callback)
    return(invisible(x))
  }
  cli::cat_line("<model checkpoint>")
  cli::cat_line("file:    ", x$filepath)
  cli::cat_line("saves:   ", describe_saves(x))
  kept <- describe_kept(x)
  if (nzchar(kept)) {
    cli::cat_line("keeps:   ", kept)
  }
  if (x$resume) {
    cli::cat_line("begins:  with the newest checkpoint, if there is one")
  }
  if (x$restore_best) {
    cli::cat_line("ends:    with the weights of the best checkpoint")
  }
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
    unit <- c(samples = "sample", batches = "batch")[[x$save_freq_unit]]
    describe_interval(x$save_freq, unit, x$save_freq_unit)
  }
  if (!is.null(x$save_seconds)) {
    when <- paste(when, "or", format(x$save_seconds), "seconds")
  }
  exit <- if (x$save_on_exit) "and when training ends"
  condition <- if (x$save_best_only) "if it is the best so far"
  where <- if (!x$background) "on the thread that trains"
  paste(c(what, when, exit, condition, where), collapse = ", ")
}

describe_kept <- function(x) {
  latest <- if (!is.null(x$keep_latest)) {
    sprintf("the newest %.0f", x$keep_latest)
  }
  best <- if (!is.null(x$keep_best)) sprintf("the best %.0f", x$keep_best)
  every <- if (!is.null(x$keep_every)) {
    describe_interval(x$keep_every, "epoch", "epochs")
  }
  paste(c(latest, best, every), collapse = ", ")
}

describe_interval <- function(n, singular, plural) {
  if (n == 1) paste("every", singular) else sprintf("every %.0f %s", n, plural)
}

#' @export
print.modelcheckpoint_list <- function(x, n = 20, ...) {
  # If Python is gone, a list prints as a data frame.
  lines <- tryCatch(
    list_text(x, nrow(utils::tail(x, n))),
    modelcheckpoint_no_python = function(e) NULL
  )
  if (is.null(lines)) {
    return(NextMethod())
  }
  cli::cat_line(lines)
  invisible(x)
}

# The lines of a list, or its table in HTML, with the last `count` rows. NULL if
# the user has removed or changed a column that is to be shown.
list_text <- function(x, count, html = FALSE) {
  ask_python(sys.call(-1), function(for_r) {
    kinds <- for_r$printed_columns()
    kept <- mapply(function(name, kind) has_kind(x[[name]], kind), names(kinds), kinds)
    if (!all(kept)) {
      return(NULL)
    }
    columns <- columns_for_python(as.data.frame(x), names(kinds))
    folders <- as.list(encodeString(as.character(folders_of(x))))
    if (html) {
      for_r$list_html(columns, folders, as.integer(count))
    } else {
      for_r$list_lines(columns, folders, as.integer(count), getOption("width"))
    }
  })
}
