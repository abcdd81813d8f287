# A training that stops after `epochs` epochs, as if it was killed.
stopped <- function(name, epochs = 3L, ...) {
  model <- tiny_model()
  checkpoint <- callback_model_checkpoint(name, ...)
  reticulate::py_capture_output(tiny_fit(model, checkpoint, epochs = epochs))
  model
}

journal <- function() {
  lapply(readLines("modelcheckpoint.jsonl"), jsonlite::fromJSON)
}

test_that("resume = TRUE continues after the newest checkpoint", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  unbroken <- stopped("u.{epoch}.weights.h5", 5L, save_weights_only = TRUE)
  unlink("modelcheckpoint.jsonl")
  stopped("w.{epoch}.weights.h5", save_weights_only = TRUE)
  checkpoint <- callback_model_checkpoint(
    "w.{epoch}.weights.h5",
    save_weights_only = TRUE, resume = TRUE
  )
  model <- tiny_model()
  out <- reticulate::py_capture_output(
    history <- tiny_fit(model, checkpoint, epochs = 5L)
  )
  expect_identical(as.integer(unlist(history$epoch)), 3:4)
  expect_match(out, "resumed from w.3.weights.h5, saved after epoch 3; epoch 4")
  expect_identical(model$get_weights(), unbroken$get_weights())
  expect_identical(vapply(journal(), `[[`, 1L, "epochs_done"), 1:5)
  expect_length(unique(vapply(journal(), `[[`, "", "run")), 1)
  expect_identical(as.integer(checkpoint$restored$epochs_done), 3L)
  expect_length(checkpoint$problems, 0)
})

test_that("a damaged checkpoint is skipped and reported", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  stopped("w.{epoch}.keras")
  writeBin(as.raw(1:9), "w.3.keras")
  checkpoint <- callback_model_checkpoint("w.{epoch}.keras", resume = TRUE)
  out <- reticulate::py_capture_output(
    history <- tiny_fit(tiny_model(), checkpoint, epochs = 3L)
  )
  expect_match(out, "Not resumed from w.3.keras, it is damaged: it has 9 bytes")
  expect_identical(as.integer(unlist(history$epoch)), 2L)
})

test_that("a folder that could be resumed is reported", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  stopped("w.{epoch}.keras")
  out <- reticulate::py_capture_output(
    tiny_fit(tiny_model(), callback_model_checkpoint("w.{epoch}.keras"))
  )
  expect_match(out, "An earlier run left w.3.keras, .*in R `resume = TRUE`")
})

test_that("restore_best = TRUE leaves the model with the best weights", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  model <- stopped(
    "w.{epoch}.keras",
    monitor = "loss", mode = "max", restore_best = TRUE
  )
  best <- tiny_model()
  restore_checkpoint(best, "w.1.keras")
  expect_identical(model$get_weights(), best$get_weights())
})

test_that("restore_checkpoint() returns what it restored", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  trained <- stopped("w.{epoch}.keras")
  model <- tiny_model()
  restored <- restore_checkpoint(model, "w.3.keras")
  expect_identical(model$get_weights(), trained$get_weights())
  expect_identical(
    names(restored),
    c(
      "path", "epochs_done", "epoch", "batch", "samples", "value", "optimizer",
      "seeds", "states", "optimizer_note", "record"
    )
  )
  expect_identical(basename(restored$path), "w.3.keras")
  expect_identical(restored[c("epochs_done", "epoch")], list(epochs_done = 3L, epoch = 3L))
  expect_null(restored$batch)
  expect_identical(restored$samples, 24)
  expect_identical(restored$value, restored$record$value)
  expect_true(restored$optimizer)
  expect_identical(restored$record$path, "w.3.keras")
  x <- matrix(0, 8, 2)
  history <- model$fit(
    x, matrix(0, 8, 1),
    epochs = 4L, initial_epoch = restored$epochs_done, verbose = 0L
  )
  expect_identical(as.integer(unlist(history$epoch)), 3L)
})

test_that("checkpoints that cannot be restored are errors from the user's call", {
  expect_error(restore_checkpoint(NULL), "`path` must be one non-empty string")
  expect_error(restore_checkpoint(NULL, 3), "`path` must be .*, not 3")
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  stopped("w.{epoch}.keras", 1L)
  writeBin(as.raw(1:9), "w.1.keras")
  error <- expect_error(
    restore_checkpoint(tiny_model(), "w.1.keras"),
    "w.1.keras is damaged: it has 9 bytes, the journal says"
  )
  expect_identical(error$call[[1]], quote(restore_checkpoint))
  expect_error(restore_checkpoint(tiny_model(), "none.keras"), "none.keras")
})

test_that("print() shows where training begins, and what it ends with", {
  skip_if_no_keras()
  shown <- capture.output(print(
    callback_model_checkpoint("{epoch}.keras", resume = TRUE, restore_best = TRUE)
  ))
  expect_match(shown, "^begins: +with the newest checkpoint", all = FALSE)
  expect_match(shown, "^ends: +with the weights of the best", all = FALSE)
  shown <- capture.output(print(callback_model_checkpoint("{epoch}.keras")))
  expect_no_match(paste(shown, collapse = " "), "begins:|ends:")
})

test_that("a resume that finds nothing says what there is, and overwrites nothing", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  stopped("{epoch}.weights.h5", save_weights_only = TRUE)
  before <- readBin("1.weights.h5", "raw", 1e6)
  unlink("modelcheckpoint.jsonl")
  checkpoint <- callback_model_checkpoint(
    "{epoch}.weights.h5",
    save_weights_only = TRUE, resume = TRUE
  )
  out <- reticulate::py_capture_output(tiny_fit(tiny_model(), checkpoint))
  expect_match(out, "Warning: Nothing to resume from")
  expect_match(out, "3.weights.h5 (it is not in the journal)", fixed = TRUE)
  expect_match(out, "restore_checkpoint(model, '3.weights.h5')", fixed = TRUE)
  expect_identical(readBin("1.run-unknown.weights.h5", "raw", 1e6), before)
})

test_that("a wrong model or a wrong file is an error from the user's call", {
  no_model <- "`model` must be a Keras model, not "
  error <- expect_error(restore_checkpoint("w.keras", "x"), no_model)
  expect_match(conditionMessage(error), "The model is the first argument")
  expect_identical(error$call[[1]], quote(restore_checkpoint))
  expect_error(restore_checkpoint(path = "x"), paste0(no_model, "missing"))
  expect_error(restore_checkpoint("x", 1), "`path` must be one non-empty string")
  expect_error(restore_checkpoint(NULL, "w.keras"), paste0(no_model, "NULL"))
  skip_if_no_keras()
  keras <- reticulate::import("keras")
  expect_error(restore_checkpoint(keras, "w.keras"), no_model)
  withr::local_dir(withr::local_tempdir())
  for (path in c("w.keras", ".", "no/w.keras")) {
    error <- expect_error(
      restore_checkpoint(tiny_model(), path), "^`path` must be .* that can be read"
    )
    expect_identical(error$call[[1]], quote(restore_checkpoint))
  }
  expect_error(list_checkpoints("no"), "^`folder` must be a folder that exists")
  writeLines("", "file")
  checkpoint <- callback_model_checkpoint("file/w.keras")
  error <- expect_error(tiny_fit(tiny_model(), checkpoint), "not in a file")
  expect_no_match(conditionMessage(error), "Errno")
})

test_that("the state of another optimizer is not used, with a warning", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  stopped("w.{epoch}.weights.h5", save_weights_only = TRUE)
  model <- tiny_model()
  model$compile(optimizer = "rmsprop", loss = "mse")
  expect_warning(
    restored <- restore_checkpoint(model, "w.3.weights.h5"),
    "the optimizer starts from scratch, because .* another optimizer \\(SGD in the file, RMSprop"
  )
  expect_false(restored$optimizer)
  expect_match(restored$optimizer_note, "SGD in the file")
  expect_identical(restored$epochs_done, 3L)
  expect_no_warning(restored <- restore_checkpoint(tiny_model(), "w.3.weights.h5"))
  expect_true(restored$optimizer)
})
