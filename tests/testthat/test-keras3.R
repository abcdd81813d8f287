# The R package keras3: its models, its fit(), its other callbacks.

test_that("keras3::fit() saves each epoch under the contract's name", {
  skip_if_no_keras3()
  withr::local_dir(withr::local_tempdir())
  template <- "runs/weights.{epoch:02d}-{val_loss:.2f}.hdf5"
  history <- fit_in_keras3(list(
    callback_model_checkpoint(template, save_weights_only = TRUE)
  ))
  names <- sprintf("weights.%02d-%.2f.hdf5", 1:2, history$metrics$val_loss)
  expect_setequal(list.files("runs"), c(names, "modelcheckpoint.jsonl"))
})

test_that("full models of each suffix can be loaded with keras3::load_model()", {
  skip_if_no_keras3()
  withr::local_dir(withr::local_tempdir())
  for (file in c("w.keras", "w.h5", "w.hdf5")) {
    model <- dense_model()
    fit_in_keras3(list(callback_model_checkpoint(file)), model)
    loaded <- suppressWarnings(keras3::load_model(file))
    expect_equal(
      predict(loaded, features, verbose = 0), predict(model, features, verbose = 0),
      info = file
    )
  }
})

test_that("weights of each suffix can be loaded with keras3::load_model_weights()", {
  skip_if_no_keras3()
  withr::local_dir(withr::local_tempdir())
  for (file in c("w.weights.h5", "w.h5", "w.hdf5")) {
    model <- dense_model()
    fit_in_keras3(
      list(callback_model_checkpoint(file, save_weights_only = TRUE)), model
    )
    fresh <- dense_model()
    keras3::load_model_weights(fresh, file)
    expect_equal(
      keras3::get_weights(fresh), keras3::get_weights(model),
      info = file
    )
  }
})

test_that("in keras3::fit(), only the best model is kept", {
  skip_if_no_keras3()
  withr::local_dir(withr::local_tempdir())
  checkpoint <- callback_model_checkpoint("best.keras", save_best_only = TRUE)
  history <- fit_in_keras3(list(checkpoint), epochs = 4)
  expect_equal(checkpoint$best, min(history$metrics$val_loss))
  expect_setequal(list.files(), c("best.keras", "modelcheckpoint.jsonl"))
  loaded <- keras3::load_model("best.keras")
  seen <- keras3::evaluate(loaded, features[9:10, ], targets[9:10], verbose = 0)
  expect_equal(seen$loss, checkpoint$best, tolerance = 1e-6)
})

test_that("in keras3::fit(), samples are counted, even in a smaller last batch", {
  skip_if_no_keras3()
  withr::local_dir(withr::local_tempdir())
  checkpoint <- callback_model_checkpoint(
    "w.{epoch}.{batch}.{samples}.keras",
    monitor = "loss", save_freq = 5
  )
  keras3::fit(
    dense_model(), features, targets,
    epochs = 2, batch_size = 4, verbose = 0, callbacks = list(checkpoint)
  )
  # Batches of 4, 4 and 2 end after 4, 8, 10, 14, 18 and 20 samples.
  expect_setequal(
    list.files(pattern = "keras$"),
    c("w.1.2.8.keras", "w.2.1.14.keras", "w.2.3.20.keras")
  )
})

test_that("keras3::fit() takes it bare, in a list, in c(), and by name", {
  skip_if_no_keras3()
  withr::local_dir(withr::local_tempdir())
  new <- callback_model_checkpoint
  fit_in_keras3(new("bare.keras"))
  fit_in_keras3(list(new("list.keras")), view_metrics = FALSE)
  fit_in_keras3(c(new("c.keras")))
  fit_in_keras3(c(new("two-1.keras"), new("two-2.h5")))
  fit_in_keras3(list(best = new("name.keras")))
  expect_setequal(
    list.files(pattern = "keras$|h5$"),
    c("bare.keras", "list.keras", "c.keras", "two-1.keras", "two-2.h5",
      "name.keras")
  )
})

test_that("R's own callbacks keep working with it, in any order", {
  skip_if_no_keras3()
  withr::local_dir(withr::local_tempdir())
  seen <- character()
  see <- function(who) {
    force(who)
    function(epoch, logs) seen <<- c(seen, paste(who, epoch, logs$val_loss > 0))
  }
  see_in_class <- see("class")
  r_class <- keras3::Callback(
    "RCallback",
    on_epoch_end = function(epoch, logs = NULL) see_in_class(epoch, logs)
  )
  fit_in_keras3(list(
    keras3::callback_lambda(on_epoch_end = see("before")),
    callback_model_checkpoint("w.{epoch}.keras"),
    r_class(),
    keras3::callback_csv_logger("log.csv")
  ))
  expect_setequal(
    seen, c("before 1 TRUE", "class 1 TRUE", "before 2 TRUE", "class 2 TRUE")
  )
  expect_identical(list.files(pattern = "keras$"), sprintf("w.%d.keras", 1:2))
  expect_equal(nrow(utils::read.csv("log.csv")), 2)
})

# Replaces the folder by a file when epoch 2 begins.
break_run_folder <- function() {
  keras3::callback_lambda(on_epoch_begin = function(epoch, logs) {
    if (epoch == 2) {
      unlink("run", recursive = TRUE)
      file.create("run")
    }
  })
}

test_that("a save that fails in keras3::fit() is an R error, and R continues", {
  skip_if_no_keras3()
  withr::local_dir(withr::local_tempdir())
  checkpoint <- callback_model_checkpoint(
    "run/w.{epoch}.keras",
    on_error = "raise"
  )
  model <- dense_model()
  error <- tryCatch(
    fit_in_keras3(list(break_run_folder(), checkpoint), model),
    error = identity
  )
  expect_s3_class(error, "error")
  expect_match(conditionMessage(error), "run/w.2.keras", fixed = TRUE)
  fit_in_keras3(list(callback_model_checkpoint("after.keras")), model)
  expect_true(file.exists("after.keras"))
})

test_that("a bare callback counts in order, or says that it cannot", {
  skip_if_no_keras3()
  withr::local_dir(withr::local_tempdir())
  counted <- callback_model_checkpoint(
    "w.{samples}.keras", "loss",
    save_freq = 8
  )
  # JAX and Torch run the hooks of a bare callback in any order.
  if (reticulate::import("keras")$backend$backend() == "tensorflow") {
    fit_in_keras3(counted)
    saved <- list.files(pattern = "keras$")
    expect_setequal(saved, c("w.8.keras", "w.16.keras"))
  } else {
    expect_error(
      fit_in_keras3(counted), "pass the callbacks as a list",
      fixed = TRUE
    )
  }
})

test_that("its messages are printed in the middle of keras3::fit()", {
  skip_if_no_keras3()
  withr::local_dir(withr::local_tempdir())
  checkpoint <- callback_model_checkpoint("run/w.{epoch}.keras", verbose = 1)
  said <- reticulate::py_capture_output(
    fit_in_keras3(list(break_run_folder(), checkpoint), epochs = 3)
  )
  expect_match(said, "saved run/w.1.keras", fixed = TRUE)
  expect_match(said, "run/w.2.keras", fixed = TRUE)
  expect_match(unlist(checkpoint$problems), "run/w.2.keras", all = FALSE)
})
