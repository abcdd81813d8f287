# Python is used only if RETICULATE_PYTHON names one: a newer reticulate would
# download one for the tests.
has_python <- function() {
  python <- Sys.getenv("RETICULATE_PYTHON")
  nzchar(python) && file.exists(python)
}

has_keras <- function() {
  has_python() && reticulate::py_module_available("keras")
}

skip_if_no_python <- function() {
  skip_if_not(has_python(), "RETICULATE_PYTHON names no Python")
}

skip_if_no_keras <- function() {
  skip_if_not(has_keras(), "RETICULATE_PYTHON names no Python with Keras")
}

# 3, or 2 for TensorFlow up to 2.15.
keras_major <- function() {
  version <- reticulate::import("keras")$`__version__`
  as.integer(sub("[.].*", "", version))
}

keras_before <- function(than) {
  version <- reticulate::import("keras")$`__version__`
  version <- numeric_version(sub("[^0-9.].*", "", version), strict = FALSE)
  isTRUE(version < than)
}

# Before Keras 3.4, training waits while a file is written.
skip_if_training_waits <- function() {
  skip_if(keras_before("3.4"), "training waits for each save on this Keras")
}

# Two inputs, one unit: all that a callback needs to see.
tiny_model <- function(metrics = NULL) {
  keras <- reticulate::import("keras")
  model <- keras$Sequential(list(
    keras$layers$Input(shape = list(2L)),
    keras$layers$Dense(1L, kernel_initializer = "ones")
  ))
  model$compile(optimizer = "sgd", loss = "mse", metrics = metrics)
  model
}

tiny_fit <- function(model, callback, epochs = 1L, rows = 8L) {
  x <- matrix(seq_len(2 * rows) / rows, ncol = 2)
  y <- matrix(0, nrow = rows)
  model$fit(
    x, y,
    epochs = epochs, batch_size = 4L, verbose = 0L, shuffle = FALSE,
    validation_data = reticulate::tuple(x, y), callbacks = list(callback)
  )
}

# The contents of a folder, with sizes and times, to check that nothing has changed.
listing <- function(folder) {
  paths <- sort(list.files(
    folder,
    all.files = TRUE, recursive = TRUE, include.dirs = TRUE, no.. = TRUE
  ))
  info <- file.info(file.path(folder, paths))
  data.frame(path = paths, size = info$size, mtime = info$mtime)
}

# Only the message: how testthat shows an error differs between its versions.
said <- function(expr) {
  message <- tryCatch(
    {
      expr
      "no error"
    },
    error = conditionMessage
  )
  cat(message, sep = "\n")
}
