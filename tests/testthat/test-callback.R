arguments <- c(
  "filepath", "monitor", "verbose", "save_best_only", "save_weights_only",
  "mode", "period", "save_freq"
)

test_that("the signature is the contract's, and additions come last", {
  f <- formals(callback_model_checkpoint)
  expect_identical(names(f)[1:8], arguments)
  expect_identical(f$filepath, quote(expr = ))
  expect_identical(f$monitor, "val_loss")
  expect_identical(f$verbose, 0)
  expect_identical(f$save_best_only, FALSE)
  expect_identical(f$save_weights_only, FALSE)
  expect_identical(eval(f$mode), c("auto", "min", "max"))
  expect_null(f$period)
  expect_identical(f$save_freq, "epoch")
})

test_that("the Python half has the version of the R package", {
  skip_if_no_keras()
  callback_model_checkpoint("w.keras")
  expect_identical(
    reticulate::import("modelcheckpoint")$`__version__`,
    as.character(utils::packageVersion("modelcheckpoint"))
  )
})

test_that("the weights of each epoch are saved under the contract's name", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  model <- tiny_model()
  template <- "runs/weights.{epoch:02d}-{val_loss:.2f}.hdf5"
  history <- tiny_fit(
    model, callback_model_checkpoint(template, save_weights_only = TRUE),
    epochs = 2L
  )
  losses <- unlist(history$history$val_loss)
  names <- sprintf("weights.%02d-%.2f.hdf5", 1:2, losses)
  expect_setequal(list.files("runs"), c(names, "modelcheckpoint.jsonl"))

  fresh <- tiny_model()
  fresh$load_weights(file.path("runs", names[[2]]))
  expect_equal(fresh$get_weights(), model$get_weights())
})

test_that("only the best model is kept, and it loads with plain Keras", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  checkpoint <- callback_model_checkpoint("best.keras", save_best_only = TRUE)
  expect_null(checkpoint$best)
  model <- tiny_model()
  history <- tiny_fit(model, checkpoint, epochs = 3L)
  expect_equal(checkpoint$best, min(unlist(history$history$val_loss)))
  expect_setequal(list.files(), c("best.keras", "modelcheckpoint.jsonl"))

  loaded <- reticulate::import("keras")$models$load_model("best.keras")
  x <- matrix(1:6, ncol = 2)
  expect_equal(loaded$predict(x, verbose = 0L), model$predict(x, verbose = 0L))
})

test_that("samples are counted over the batches of all epochs", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  checkpoint <- callback_model_checkpoint(
    "w.{samples}.weights.h5",
    save_weights_only = TRUE, save_freq = 8
  )
  reticulate::py_capture_output(
    tiny_fit(tiny_model(), checkpoint, epochs = 2L, rows = 12L)
  )
  # Batches of 4: 8 samples are reached within the first epoch, 16 after the
  # first batch of the second, 24 at its end.
  expect_setequal(
    list.files(pattern = "h5$"), sprintf("w.%d.weights.h5", c(8, 16, 24))
  )
})

test_that("a whole number reaches Python as one, and can be read back", {
  skip_if_no_keras()
  for (n in list(1000, 1000L, 1e5, 2^31, 2^40, 2^53)) {
    checkpoint <- callback_model_checkpoint("w.keras", save_freq = n)
    arrived <- reticulate::py_get_attr(checkpoint, "save_freq")
    expect_s3_class(arrived, "python.builtin.int")
    expect_identical(reticulate::py_str(arrived), sprintf("%.0f", n))
    expect_equal(checkpoint$save_freq, n)
  }
})

test_that("all arguments can be read from the callback", {
  skip_if_no_keras()
  given <- list(
    filepath = "w.{epoch:02d}.weights.h5", monitor = "loss", verbose = 1L,
    save_best_only = TRUE, save_weights_only = TRUE, mode = "max", period = 3L,
    save_freq = "epoch", save_freq_unit = "batches",
    initial_value_threshold = 0.5, on_error = "raise", background = FALSE
  )
  checkpoint <- do.call(callback_model_checkpoint, given)
  for (name in names(given)) {
    # Python has no integer for TRUE, so only equality is required.
    expect_equal(checkpoint[[name]], given[[name]], info = name)
  }
  expect_length(checkpoint$problems, 0)

  plain <- callback_model_checkpoint("w.keras")
  expect_identical(plain$period, 1L)
  expect_null(plain$initial_value_threshold)
  expect_true(plain$background)
  expect_null(plain$on_saved)
})

test_that("arguments that Python refuses are an R error from the user's call", {
  skip_if_no_keras()
  error <- expect_error(
    callback_model_checkpoint("w.{epoch:02d}.ckpt"),
    class = "modelcheckpoint_error"
  )
  expect_identical(
    conditionCall(error),
    quote(callback_model_checkpoint("w.{epoch:02d}.ckpt"))
  )
  expect_match(conditionMessage(error), "^`filepath` ")
  expect_no_match(conditionMessage(error), "ValueError|Traceback|py_last_error")
})

# Replaces the folder by a file when the second epoch begins.
break_folder <- function(folder) {
  reticulate::import("keras")$callbacks$LambdaCallback(
    on_epoch_begin = function(epoch, logs) {
      if (epoch == 1) {
        unlink(folder, recursive = TRUE)
        file.create(folder)
      }
    }
  )
}

fit_with_both <- function(first, second) {
  x <- matrix(1:8, ncol = 2)
  tiny_model()$fit(
    x, matrix(0, nrow = 4),
    epochs = 3L, verbose = 0L, callbacks = list(first, second)
  )
}

test_that("a save that fails mid-training reaches R as a readable error", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  checkpoint <- callback_model_checkpoint(
    "run/w.{epoch}.keras",
    monitor = "loss", on_error = "raise"
  )
  expect_error(fit_with_both(break_folder("run"), checkpoint), "run/w.2.keras")
  # The session is alive: Python still answers.
  expect_identical(checkpoint$monitor, "loss")
})

test_that("a save that fails mid-training is reported, and training continues", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  checkpoint <- callback_model_checkpoint("run/w.{epoch}.keras", "loss")
  told <- reticulate::py_capture_output(
    history <- fit_with_both(break_folder("run"), checkpoint)
  )
  expect_length(unlist(history$history$loss), 3)
  expect_match(told, "run/w.2.keras", fixed = TRUE)
  expect_match(unlist(checkpoint$problems), "run/w.2.keras", all = FALSE)
})

test_that("verbose = 1 prints one line for each decision", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  checkpoint <- callback_model_checkpoint("w.{epoch:02d}.keras", verbose = 1)
  told <- reticulate::py_capture_output(
    tiny_fit(tiny_model(), checkpoint, epochs = 2L)
  )
  expect_match(told, "w.01.keras", fixed = TRUE)
  expect_match(told, "w.02.keras", fixed = TRUE)
})

test_that("the hooks can be called by hand", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  model <- tiny_model()
  checkpoint <- callback_model_checkpoint("w.{epoch}-{val_loss:.1f}.h5")
  checkpoint$set_params(reticulate::dict(epochs = 1L))
  checkpoint$set_model(model)
  checkpoint$on_train_begin()
  checkpoint$on_epoch_begin(0L)
  checkpoint$on_batch_begin(0L)
  checkpoint$on_batch_end(0L, reticulate::dict(loss = 1, size = 4L))
  checkpoint$on_epoch_end(0L, reticulate::dict(loss = 1, val_loss = 2))
  checkpoint$on_train_end()
  expect_identical(list.files(pattern = "h5$"), "w.1-2.0.h5")
})

test_that("jsonlite reads the journal as a table", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  tiny_fit(tiny_model(), callback_model_checkpoint("w.{epoch}.keras"), 2L)
  connection <- file("modelcheckpoint.jsonl")
  journal <- jsonlite::stream_in(connection, verbose = FALSE)
  expect_identical(journal$path, c("w.1.keras", "w.2.keras"))
  expect_identical(journal$epoch, 1:2)
  expect_equal(journal$bytes, file.size(journal$path))
  keys <- c(
    "schema", "path", "epoch", "batch", "samples", "logs", "monitor", "value",
    "mode", "best", "format", "bytes", "crc32", "time", "run", "template",
    "versions"
  )
  expect_identical(setdiff(keys, names(journal)), character())
})

test_that("the example of the help page runs", {
  skip_if_no_keras()
  # Python is started here, because the example itself never starts it.
  reticulate::py_config()
  page <- file.path("..", "..", "man", "callback_model_checkpoint.Rd")
  if (!file.exists(page)) {
    pages <- tools::Rd_db("modelcheckpoint")
    page <- pages[["callback_model_checkpoint.Rd"]]
  }
  script <- withr::local_tempfile(fileext = ".R")
  tools::Rd2ex(page, script)
  output <- capture.output(source(script, new.env(), print.eval = TRUE))
  expect_match(output, "weights.03-.*hdf5", all = FALSE)
  expect_match(output, "best.keras", all = FALSE)
})

test_that("a callback from saveRDS() says that it is lost", {
  skip_if_no_keras()
  file <- withr::local_tempfile(fileext = ".rds")
  saveRDS(callback_model_checkpoint("w.keras"), file)
  checkpoint <- readRDS(file)
  for (read in c(
    \(x) x$best, \(x) x$period, \(x) x[["filepath"]], \(x) x$wait()
  )) {
    expect_error(
      read(checkpoint),
      "saveRDS\\(\\) and save\\(\\) cannot keep a Python object.*resume = TRUE",
      class = "modelcheckpoint_error"
    )
  }
  shown <- capture.output(print(checkpoint))
  expect_match(shown, "saveRDS.*callback_model_checkpoint\\(\\)", all = FALSE)
})
