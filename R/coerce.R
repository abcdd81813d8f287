# Every argument is coerced and checked here, in R, before Python is called:
# reticulate would pass on `100` as a float, `NA` as True and `c("a", "b")` as a
# list. Each function returns one type only, or raises an error from the user's
# own call with one sentence: `arg` must be <rule>, not <what came>.

as_filepath <- function(
  x,
  arg = deparse(substitute(x)),
  call = sys.call(-1),
  windows = .Platform$OS.type == "windows"
) {
  path <- as_string(x, arg, call)
  if (windows) {
    path <- gsub("\\", "/", path, fixed = TRUE)
  }
  # path.expand() translates to the native encoding, so call it only if needed.
  enc2utf8(if (startsWith(path, "~")) path.expand(path) else path)
}

as_string <- function(x, arg = deparse(substitute(x)), call = sys.call(-1)) {
  if (missing(x)) {
    abort_argument("one non-empty string", quote(expr = ), arg, call)
  }
  if (!is.character(x) || !is_one(x) || !nzchar(x)) {
    abort_argument("one non-empty string", x, arg, call)
  }
  as.character(x)
}

# Only Python can check whether this is a Keras model.
as_model <- function(x, arg = deparse(substitute(x)), call = sys.call(-1)) {
  if (missing(x)) {
    abort_argument("a Keras model", quote(expr = ), arg, call)
  }
  if (!inherits(x, "python.builtin.object")) {
    hint <- if (is.character(x)) {
      "The model is the first argument, the path the second."
    }
    abort_argument("a Keras model", x, arg, call, hint)
  }
  x
}

as_flag <- function(x, arg = deparse(substitute(x)), call = sys.call(-1)) {
  if (!is_flag(x)) {
    abort_argument("TRUE or FALSE", x, arg, call)
  }
  as.vector(x)
}

as_verbose <- function(x, arg = deparse(substitute(x)), call = sys.call(-1)) {
  if (!is_flag(x) && !(is_number(x) && x %in% 0:1)) {
    abort_argument("0 or 1", x, arg, call)
  }
  as.integer(x)
}

# One of `choices`, as match.arg() would find it, or an error in one sentence.
as_choice <- function(
  x,
  choices,
  arg = deparse(substitute(x)),
  call = sys.call(-1),
  rule = one_of(choices)
) {
  if (identical(x, choices)) {
    return(choices[[1]])
  }
  place <- if (is.character(x) && is_one(x)) pmatch(x, choices) else NA
  if (is.na(place)) {
    abort_argument(rule, x, arg, call)
  }
  choices[[place]]
}

as_period <- function(x, arg = deparse(substitute(x)), call = sys.call(-1)) {
  if (is.null(x)) {
    return(1L)
  }
  if (!is_count(x)) {
    hint <- if (identical(x, "epoch")) {
      "It counts epochs; did you mean `save_freq`?"
    }
    abort_argument("NULL or a whole number >= 1", x, arg, call, hint)
  }
  as_whole(x)
}

as_save_freq <- function(x, arg = deparse(substitute(x)), call = sys.call(-1)) {
  if (identical(x, "epoch")) {
    return(x)
  }
  if (!is_count(x)) {
    abort_argument("\"epoch\" or a whole number >= 1", x, arg, call)
  }
  as_whole(x)
}

as_count <- function(x, arg = deparse(substitute(x)), call = sys.call(-1)) {
  if (is.null(x)) {
    return(NULL)
  }
  if (!is_count(x)) {
    abort_argument("NULL or a whole number >= 1", x, arg, call)
  }
  as_whole(x)
}

as_seconds <- function(x, arg = deparse(substitute(x)), call = sys.call(-1)) {
  if (is.null(x)) {
    return(NULL)
  }
  seconds <- if (inherits(x, "difftime")) as.numeric(x, units = "secs") else x
  if (!is_number(seconds) || !is.finite(seconds) || seconds <= 0) {
    rule <- "NULL, or a finite number of seconds > 0 or a difftime"
    abort_argument(rule, x, arg, call)
  }
  as.double(seconds)
}

as_threshold <- function(x, arg = deparse(substitute(x)), call = sys.call(-1)) {
  if (is.null(x)) {
    return(NULL)
  }
  if (!is_number(x) || !is.finite(x)) {
    abort_argument("NULL or one finite number", x, arg, call)
  }
  as.double(x)
}

as_function <- function(x, arg = deparse(substitute(x)), call = sys.call(-1)) {
  if (!is.null(x) && !(is.function(x) && takes_one(x))) {
    abort_argument("NULL or a function of one argument", x, arg, call)
  }
  x
}

takes_one <- function(x) {
  arguments <- args(x) # of a few primitives nothing is known
  is.null(arguments) || length(formals(arguments)) > 0
}

# An integer if R can hold it as one; otherwise a double, which is exact up to
# 2^53 and becomes a Python integer in as_python().
as_whole <- function(x) {
  if (x <= .Machine$integer.max) as.integer(x) else as.double(x)
}

# Doubles that stand for whole numbers too large for R's integers. reticulate
# would convert them to Python floats.
as_python_int <- function(x) {
  reticulate::import_builtins(convert = FALSE)$int(sprintf("%.0f", x))
}

is_one <- function(x) length(x) == 1 && !is.na(x)

is_flag <- function(x) is.logical(x) && !is.object(x) && is_one(x)

# Not a classed number: a Date, a difftime or an integer64 means something else
# than the double in which it is stored.
is_number <- function(x) is.numeric(x) && !is.object(x) && is_one(x)

is_count <- function(x) {
  is_number(x) && x >= 1 && x <= 2^53 && x == trunc(x)
}

abort_argument <- function(rule, x, arg, call, hint = NULL) {
  sentence <- paste0("`", arg, "` must be ", rule, ", not ", show_value(x), ".")
  abort(paste(c(sentence, hint), collapse = " "), call)
}

abort <- function(message, call, class = NULL) {
  class <- c(class, "modelcheckpoint_error")
  stop(errorCondition(message, class = class, call = call))
}

one_of <- function(choices) {
  quoted <- dQuote(choices, q = FALSE)
  last <- length(quoted)
  paste(paste(quoted[-last], collapse = ", "), "or", quoted[[last]])
}

# A value as the user would type it, on one short line.
show_value <- function(x) {
  if (identical(x, quote(expr = ))) {
    return("missing")
  }
  if (is.object(x) || !(is.atomic(x) || is.null(x))) {
    return(paste("an object of class", dQuote(class(x)[[1]], q = FALSE)))
  }
  shown <- paste(deparse(as.vector(x), nlines = 2), collapse = " ")
  if (nchar(shown) > 60) paste0(substr(shown, 1, 57), "...") else shown
}

choice_of <- function(choices) {
  function(x, arg, call) as_choice(x, choices, arg, call)
}

# How callback_model_checkpoint() coerces its arguments, except `filepath`.
argument_types <- list(
  monitor = as_string,
  verbose = as_verbose,
  save_best_only = as_flag,
  save_weights_only = as_flag,
  mode = choice_of(c("auto", "min", "max")),
  period = as_period,
  save_freq = as_save_freq,
  save_freq_unit = choice_of(c("samples", "batches")),
  initial_value_threshold = as_threshold,
  on_error = choice_of(c("warn", "raise")),
  background = as_flag,
  on_saved = as_function,
  keep_latest = as_count,
  keep_best = as_count,
  keep_every = as_count,
  save_seconds = as_seconds,
  save_on_exit = as_flag,
  resume = as_flag,
  restore_best = as_flag
)
