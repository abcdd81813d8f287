# Which checkpoints stay, and when one is due.

checkpoints <- function(folder) {
  setdiff(list.files(folder, recursive = TRUE), "modelcheckpoint.jsonl")
}

test_that("the newest, the best and every so many epochs stay", {
  skip_if_no_keras()
  tmp <- withr::local_tempdir()
  checkpoint <- callback_model_checkpoint(
    file.path(tmp, "{epoch}.weights.h5"),
    monitor = "loss", save_weights_only = TRUE,
    keep_latest = 2, keep_best = 1L, keep_every = 3
  )
  reticulate::py_capture_output(tiny_fit(tiny_model(), checkpoint, epochs = 8L))
  # The loss decreases, so the best is the newest.
  expect_identical(
    checkpoints(tmp), paste0(c(3, 6, 7, 8), ".weights.h5")
  )
  expect_true(all(verify_checkpoints(tmp)$status == "good"))
  expect_identical(checkpoint$keep_latest, 2L)
  expect_identical(checkpoint$keep_every, 3L)
})

test_that("without retention all stay, and a name without fields is reported", {
  skip_if_no_keras()
  tmp <- withr::local_tempdir()
  checkpoint <- callback_model_checkpoint(
    file.path(tmp, "{epoch}.weights.h5"),
    save_weights_only = TRUE
  )
  reticulate::py_capture_output(tiny_fit(tiny_model(), checkpoint, epochs = 4L))
  expect_length(checkpoints(tmp), 4)
  expect_null(checkpoint$keep_latest)
  expect_error(
    callback_model_checkpoint("w.keras", keep_best = 3),
    "`keep_best` must be left out where `filepath` has no field",
    fixed = TRUE
  )
})

test_that("seconds are a number or a difftime", {
  skip_if_no_keras()
  one <- function(x) {
    callback_model_checkpoint("w.{epoch}.keras", save_seconds = x)$save_seconds
  }
  expect_identical(one(90), 90)
  expect_identical(one(90L), 90)
  expect_identical(one(as.difftime(2, units = "mins")), 120)
  expect_identical(one(as.difftime("00:00:30")), 30)
  expect_identical(one(1e12), 1e12)
})

test_that("a save falls due when the seconds have passed", {
  skip_if_no_keras()
  tmp <- withr::local_tempdir()
  checkpoint <- callback_model_checkpoint(
    file.path(tmp, "{epoch}-{batch}.weights.h5"),
    monitor = "loss", save_weights_only = TRUE, period = 100,
    save_seconds = as.difftime(1, units = "secs") / 1e6
  )
  reticulate::py_capture_output(tiny_fit(tiny_model(), checkpoint, epochs = 2L))
  expect_identical(
    checkpoints(tmp),
    paste0(c("1-1", "1-2", "2-1", "2-2"), ".weights.h5")
  )
})

test_that("the end of fit() saves what was trained since the last save", {
  skip_if_no_keras()
  tmp <- withr::local_tempdir()
  checkpoint <- callback_model_checkpoint(
    file.path(tmp, "{epoch}.weights.h5"),
    save_weights_only = TRUE, period = 3, save_on_exit = TRUE
  )
  reticulate::py_capture_output(tiny_fit(tiny_model(), checkpoint, epochs = 4L))
  expect_identical(checkpoints(tmp), c("3.weights.h5", "4.weights.h5"))
})

# An R session that trains slowly and sends itself a signal in the second batch;
# returns its output.
slow_session <- function(folder, signal, after = 'cat("R goes on\\n")') {
  code <- sprintf(
    '
    library(modelcheckpoint)
    keras <- reticulate::import("keras")
    reticulate::py_run_string("
import keras, os, threading, time, signal as signals
class Slow(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        if batch == 1:
            os.kill(os.getpid(), signals.%s)
        time.sleep(0.2)
    def on_train_batch_end(self, batch, logs=None):
        print(\'ended\', batch + 1, flush=True)
")
    model <- keras$Sequential(list(
      keras$layers$Input(shape = list(2L)), keras$layers$Dense(1L)
    ))
    model$compile(optimizer = "sgd", loss = "mse")
    checkpoint <- callback_model_checkpoint(
      file.path("%s", "{epoch}-{batch}.weights.h5"),
      save_weights_only = TRUE, save_on_exit = TRUE
    )
    train <- function() model$fit(
      matrix(1, 16, 2), matrix(0, 16, 1),
      epochs = 2L, batch_size = 4L, verbose = 0L,
      callbacks = list(reticulate::py$Slow(), checkpoint)
    )
    tryCatch(
      train(),
      interrupt = function(e) cat("R was interrupted\\n"),
      error = function(e) cat("R error:", conditionMessage(e), "\\n")
    )
    %s
    ',
    signal, folder, after
  )
  fresh_r(code, python = Sys.getenv("RETICULATE_PYTHON"))
}

test_that("Ctrl-C waits until the model is saved, and R continues as usual", {
  skip_if_no_keras()
  skip_on_os("windows")
  tmp <- withr::local_tempdir()
  said <- slow_session(tmp, "SIGINT", '
    cat("R goes on\n")
    later <- function(code) {
      system(sprintf("(sleep 1; kill -INT %d) &", Sys.getpid()))
      tryCatch(code, interrupt = function(e) "interrupted")
    }
    cat("R code:", later({ for (i in 1:100) Sys.sleep(0.1); "not" }), "\n")
    sleep <- reticulate::import("time")$sleep
    cat("Python code:", later({ for (i in 1:100) sleep(0.1); "not" }), "\n")
  ')
  expect_match(said, "received SIGINT; everything trained so far is saved")
  expect_match(said, "R was interrupted\nR goes on")
  expect_match(said, "ended 2")
  expect_no_match(said, "ended 3")
  expect_identical(checkpoints(tmp), "1-2.weights.h5")
  # R can be interrupted again, in its own code and in Python's.
  expect_match(said, "R code: interrupted")
  expect_match(said, "Python code: interrupted")
})

test_that("SIGTERM waits until the model is saved, and ends the session", {
  skip_if_no_keras()
  skip_on_os("windows")
  tmp <- withr::local_tempdir()
  said <- slow_session(tmp, "SIGTERM")
  expect_match(said, "received SIGTERM; everything trained so far is saved")
  expect_no_match(said, "R goes on")
  expect_no_match(said, "ended 3")
  expect_identical(checkpoints(tmp), "1-2.weights.h5")
  expect_identical(verify_checkpoints(tmp)$status, "good")
})

test_that("a name that is used twice loses no checkpoint that must be kept", {
  skip_if_no_keras()
  tmp <- withr::local_tempdir()
  checkpoint <- callback_model_checkpoint(
    # A number in a format that is the same for every loss.
    file.path(tmp, "w-{loss:.0e}.weights.h5"),
    monitor = "loss", save_weights_only = TRUE, keep_latest = 3
  )
  model <- tiny_model()
  model$optimizer$learning_rate <- 1e-6
  out <- reticulate::py_capture_output(tiny_fit(model, checkpoint, epochs = 4L))
  found <- list_checkpoints(tmp)
  expect_equal(found$epoch, 2:4)
  expect_identical(found$aside, c(TRUE, TRUE, FALSE))
  expect_match(out, "Warning: Two checkpoints of this run have the name")
  expect_length(checkpoint$problems, 1)
})
