# Files are written while training continues. R is called only on its own
# thread, and does not end before the files are there.

# A model too large to save while training waits: 10 MB.
big_model <- function(units = 1600L) {
  keras <- reticulate::import("keras")
  model <- keras$Sequential(list(
    keras$layers$Input(shape = list(units)), keras$layers$Dense(units)
  ))
  model$compile(optimizer = "sgd", loss = "mean_squared_error")
  model
}

big_fit <- function(model, ..., epochs = 3L) {
  x <- matrix(1 / 1600, nrow = 8, ncol = 1600)
  model$fit(
    x, x,
    epochs = epochs, batch_size = 4L, verbose = 0L, callbacks = list(...)
  )
}

# Calls a function with the number of each epoch, from 1, at its end.
at_epochs <- function(f) {
  reticulate::import("keras")$callbacks$LambdaCallback(
    on_epoch_end = function(epoch, logs) {
      f(epoch + 1)
      NULL
    }
  )
}

# The arguments that `on_saved` gets for this checkpoint.
told_of <- function(...) {
  told <- NULL
  record <- reticulate::import("modelcheckpoint.records", convert = FALSE)$
    Record(...)
  on_saved <- as_told(function(checkpoint) told <<- checkpoint)
  reticulate::import("modelcheckpoint.for_r")$taking_values(on_saved)(record)
  told
}

test_that("each checkpoint is reported once it is there, in order, on R's thread", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  threading <- reticulate::import("threading")
  seen <- list()
  on_saved <- function(checkpoint) {
    stopifnot(file.size(checkpoint$path) == checkpoint$bytes)
    checkpoint$thread <- threading$current_thread()$name
    seen[[length(seen) + 1]] <<- checkpoint
    mtcars # its value is ignored
  }
  checkpoint <- callback_model_checkpoint(
    "w.{epoch}.keras", "loss",
    verbose = 1, on_saved = on_saved
  )
  said <- reticulate::py_capture_output(big_fit(big_model(), checkpoint))

  expect_identical(sapply(seen, `[[`, "path"), sprintf("w.%d.keras", 1:3))
  expect_identical(sapply(seen, `[[`, "epoch"), 1:3)
  expect_setequal(
    sapply(seen, `[[`, "thread"), threading$main_thread()$name
  )
  said <- strsplit(said, "\n+")[[1]]
  expect_match(said, "saved w.[123].keras$", all = FALSE)
  expect_identical(
    sub(":.*(saved.*)$", ": \\1", grep("saved", said, value = TRUE)),
    sprintf("Epoch %d: saved w.%d.keras", 1:3, 1:3)
  )
  expect_length(checkpoint$problems, 0)
})

test_that("on_saved() gets what the journal's line has", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  told <- NULL
  checkpoint <- callback_model_checkpoint(
    "run/w.{epoch}.h5",
    save_weights_only = TRUE, on_saved = function(x) told <<- x
  )
  tiny_fit(tiny_model(), checkpoint)
  line <- jsonlite::fromJSON(readLines("run/modelcheckpoint.jsonl"))
  expect_identical(
    names(told),
    c("path", "epoch", "batch", "samples", "logs", "monitor", "value", "mode",
      "best", "format", "bytes", "crc32", "time", "run", "template",
      "epochs_done", "since")
  )
  expect_equal(told, line[names(told)])
  expect_null(told$batch)
  expect_identical(told$path, "w.1.h5")
})

test_that("numbers of any size and kind reach on_saved() unchanged", {
  skip_if_no_keras()
  huge <- as_python_int(2^40)
  told <- told_of(
    path = "mod\u00e8le.keras", epoch = 2L, batch = 7L, samples = huge,
    logs = reticulate::dict(loss = NaN, count = huge, top = Inf),
    monitor = "loss", value = -Inf, mode = "min", best = FALSE,
    format = "keras", bytes = huge, crc32 = "00000000", time = "now",
    run = "r", template = "t"
  )
  expect_identical(told$samples, 2^40)
  expect_identical(told$bytes, 2^40)
  expect_identical(told$logs, list(loss = NaN, count = 2^40, top = Inf))
  expect_identical(told$value, -Inf)
  expect_identical(told$best, FALSE)
  expect_identical(told[c("epoch", "batch")], list(epoch = 2L, batch = 7L))
  expect_identical(told$path, "mod\u00e8le.keras")
})

test_that("an error in on_saved() ends fit(), and R and Python continue", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  model <- big_model()
  refuse <- TRUE
  checkpoint <- callback_model_checkpoint(
    "w.{epoch}.keras",
    on_saved = function(checkpoint) {
      if (refuse && checkpoint$epoch == 2) stop("no room in {the} cloud")
    }
  )
  expect_error(
    big_fit(model, checkpoint), "no room in {the} cloud",
    fixed = TRUE
  )
  expect_identical(list.files(pattern = "keras$"), c("w.1.keras", "w.2.keras"))
  refuse <- FALSE
  big_fit(model, checkpoint)
  expect_identical(list.files(pattern = "keras$"), sprintf("w.%d.keras", 1:3))
})

test_that("a warning in on_saved() is printed, whatever waits for it", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  checkpoint <- callback_model_checkpoint(
    "w.keras",
    on_saved = function(checkpoint) {
      warning("the cloud is slow")
      writeLines("went on", "after.txt")
    }
  )
  said <- capture.output(
    caught <- tryCatch(tiny_fit(tiny_model(), checkpoint), warning = identity)
  )
  expect_false(inherits(caught, "warning"))
  expect_match(said, "^Warning: .*the cloud is slow$", all = FALSE)
  expect_identical(readLines("after.txt"), "went on")
})

test_that("wait() returns when the file is there, even after an error", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  checkpoint <- callback_model_checkpoint("w.{epoch}.keras")
  there <- list()
  wait <- at_epochs(function(epoch) {
    if (epoch == 2) {
      checkpoint$wait()
      there <<- list.files(pattern = "keras$")
    }
    if (epoch == 3) stop("enough")
  })
  expect_error(big_fit(big_model(), checkpoint, wait), "enough")
  expect_identical(there, c("w.1.keras", "w.2.keras"))
  expect_null(checkpoint$wait())
  expect_identical(list.files(pattern = "keras$"), sprintf("w.%d.keras", 1:3))
})

test_that("with background = FALSE, each file is there when its hook returns", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  there <- list()
  checkpoint <- callback_model_checkpoint("w.{epoch}.keras", background = FALSE)
  look <- at_epochs(function(epoch) {
    there[[epoch]] <<- list.files(pattern = "keras$")
  })
  big_fit(big_model(), checkpoint, look, epochs = 2L)
  expect_identical(there, list("w.1.keras", c("w.1.keras", "w.2.keras")))
})

# A session that ends while the second of two files of 64 MB is written.
ends_too_soon <- function(fit, folder) {
  fresh_r(python = Sys.getenv("RETICULATE_PYTHON"), c(
    sprintf("setwd(\"%s\")", folder),
    "keras <- reticulate::import(\"keras\")",
    "model <- keras$Sequential(list(",
    "  keras$layers$Input(list(4000L)), keras$layers$Dense(4000L)",
    "))",
    "model$compile(optimizer = \"sgd\", loss = \"mean_squared_error\")",
    "x <- matrix(1 / 4000, nrow = 4, ncol = 4000)",
    "stop_it <- keras$callbacks$LambdaCallback(",
    "  on_epoch_end = function(epoch, logs) {",
    "    if (epoch == 1) stop(\"enough, \", dir(\".\", \"h5$\"))",
    "  }",
    ")",
    "checkpoint <- modelcheckpoint::callback_model_checkpoint(",
    "  \"{epoch}.weights.h5\", save_weights_only = TRUE",
    ")",
    "callbacks <- list(checkpoint, stop_it)",
    sprintf(fit, "model$fit(x, x, epochs = 3L, callbacks = callbacks)")
  ))
}

test_that("R does not end before the file being written is complete", {
  skip_if_no_keras()
  skip_if_training_waits()
  zlib <- reticulate::import("zlib", convert = FALSE)
  # The error ends the session, or its last line does.
  for (fit in c("%s", "try(%s)")) {
    folder <- withr::local_tempdir()
    output <- ends_too_soon(fit, normalizePath(folder, "/"))
    expect_match(output, "enough, 1.weights.h5", fixed = TRUE, info = fit)
    expect_no_match(output, "2.weights.h5", fixed = TRUE, info = fit)

    expect_setequal(
      list.files(folder, all.files = TRUE, no.. = TRUE),
      c("1.weights.h5", "2.weights.h5", "modelcheckpoint.jsonl")
    )
    lines <- readLines(file.path(folder, "modelcheckpoint.jsonl"))
    line <- jsonlite::fromJSON(lines[[2]])
    expect_identical(line$path, "2.weights.h5", info = fit)
    content <- readBin(file.path(folder, line$path), "raw", line$bytes + 1)
    expect_equal(length(content), line$bytes, info = fit)
    crc32 <- reticulate::import_builtins()$format(zlib$crc32(content), "08x")
    expect_identical(crc32, line$crc32, info = fit)
  }
})
