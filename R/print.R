# What a callback tells of itself at the console.

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
    one <- c(samples = "sample", batches = "batch")[[x$save_freq_unit]]
    describe_interval(x$save_freq, one, x$save_freq_unit)
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

describe_interval <- function(n, one, many) {
  if (n == 1) paste("every", one) else sprintf("every %.0f %s", n, many)
}

#' @export
print.modelcheckpoint_list <- function(x, n = 20, ...) {
  list <- x
  if (!has_shown_columns(x)) { # the user took or changed some of them
    return(NextMethod())
  }
  cli::cat_line(list_head(x))
  x <- with_full_names(as.data.frame(x))
  some <- utils::tail(x, n)
  if (nrow(some) > 0) {
    if (nrow(x) > nrow(some)) {
      cli::cat_line("the last ", nrow(some), " of them:")
    }
    cli::cat_line(table_lines(list_table(some), getOption("width")))
    legend <- list_legend(x, some$name)
    if (nzchar(legend)) {
      cli::cat_line(legend)
    }
  }
  invisible(list)
}

# The columns that print() needs, and what they must be.
shown_columns <- list(
  path = is.character, name = is.character, status = is.character,
  epoch = is.numeric, batch = is.numeric, monitor = is.character,
  value = is.numeric, best = is.logical, bytes = is.numeric,
  time = function(x) inherits(x, "POSIXct")
)

has_shown_columns <- function(x) {
  all(names(shown_columns) %in% names(x)) &&
    all(mapply(function(is, name) is(x[[name]]), shown_columns, names(shown_columns)))
}

# How many there are, and the folder that all of them are below.
list_head <- function(x) {
  folders <- folders_of(x)
  count <- c(
    count_of(nrow(x), "checkpoint"),
    if (length(folders) > 1) count_of(length(folders), "folder")
  )
  head <- paste0("<", paste(count, collapse = " in "), ">")
  paste(c(head, shown(common_folder(folders))), collapse = " ")
}

# Names are relative to the folder in the first line, also of several lists.
with_full_names <- function(x) {
  folders <- folders_of(x)
  if (length(folders) > 1) {
    above <- common_folder(folders)
    x$name <- substr(x$path, if (is.null(above)) 1 else nchar(above) + 2, nchar(x$path))
  }
  x
}

# The columns that tell something, as text; the name comes second.
list_table <- function(x) {
  monitors <- unique(x$monitor[!is.na(x$monitor)])
  columns <- list(list_marks(x), name = shown(x$name), epoch = whole(x$epoch))
  if (any(!is.na(x$batch))) {
    columns$batch <- whole(x$batch)
  }
  if (length(monitors) > 1) {
    columns$monitor <- shown(ifelse(is.na(x$monitor), "", x$monitor))
  }
  if (length(monitors) > 0) {
    value <- if (length(monitors) == 1) shown(monitors) else "value"
    columns[[value]] <- number_text(x$value)
  }
  columns$bytes <- size_text(x$bytes)
  columns$time <- ifelse(
    is.na(x$time), "", format(x$time, "%Y-%m-%d %H:%M:%SZ", tz = "UTC")
  )
  columns
}

# Numbers end below each other; names give way where the console is narrow.
table_lines <- function(columns, width) {
  right <- !names(columns) %in% c("", "name", "monitor", "time")
  align <- function(text, right) {
    format(text, justify = if (right) "right" else "left")
  }
  cells <- Map(c, names(columns), columns)
  wide <- vapply(cells, function(x) max(nchar(x, "width")), 1)
  room <- width - sum(wide[-2] + 2)
  if (room < 24 && "monitor" %in% names(cells)) {
    cells$monitor <- shortened(cells$monitor, 15)
    room <- room + wide[["monitor"]] - max(nchar(cells$monitor, "width"))
  }
  cells[[2]] <- shortened(cells[[2]], max(room, 10))
  sub(" +$", "", do.call(paste, c(unname(Map(align, cells, right)), sep = "  ")))
}

# The middle goes: what tells names apart is at their ends.
shortened <- function(text, room) {
  long <- nchar(text, "width") > room
  half <- (room - 3) / 2
  head <- strtrim(text[long], ceiling(half))
  tail <- backwards(strtrim(backwards(text[long]), floor(half)))
  text[long] <- paste0(head, "...", tail)
  text
}

backwards <- function(text) {
  vapply(text, function(x) intToUtf8(rev(utf8ToInt(enc2utf8(x)))), "")
}

list_marks <- function(x) {
  marks <- c(recorded = "", changed = "!", unknown = "?")[x$status]
  marks[is.na(marks)] <- ""
  ifelse(x$best %in% TRUE, "*", unname(marks))
}

list_legend <- function(x, shown_names) {
  marks <- list_marks(x)
  best <- unique(x[x$best %in% TRUE, c("name", "monitor")])
  paste(
    c(
      vapply(unique(best$monitor), function(monitor) {
        names <- best$name[best$monitor %in% monitor]
        hidden <- shown(setdiff(names, shown_names))
        where <- if (length(hidden)) paste0(": ", paste(hidden, collapse = ", "))
        paste0("* best by ", shown(monitor), where)
      }, ""),
      if ("!" %in% marks) "! not as the journal says",
      if ("?" %in% marks) "? not in the journal"
    ),
    collapse = "; "
  )
}

# A name can hold what moves the cursor.
shown <- function(text) encodeString(text)

whole <- function(x) ifelse(is.na(x), "", sprintf("%.0f", x))

number_text <- function(x) {
  ifelse(is.na(x) & !is.nan(x), "", sub("e[+]0?", "e+0", sprintf("%.5g", x)))
}

size_text <- function(bytes) {
  known <- !is.na(bytes)
  text <- character(length(bytes))
  text[known] <- known_size_text(as.double(bytes[known]))
  text
}

known_size_text <- function(bytes) {
  power <- pmin(pmax(floor(log10(pmax(bytes, 1)) / 3), 0), 5)
  power <- ifelse(bytes / 1000^power >= 999.5 & power < 5, power + 1, power)
  scaled <- bytes / 1000^power
  unit <- c("B", "kB", "MB", "GB", "TB", "PB")[power + 1]
  digits <- ifelse(power > 0 & scaled < 9.95, 1, 0)
  paste(sprintf("%.*f", digits, scaled), unit)
}

count_of <- function(n, what) {
  paste0(format(n, big.mark = ","), " ", what, if (n != 1) "s")
}
