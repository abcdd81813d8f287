# The R package keras, keras3's predecessor, which works only with Keras 2.

skip_if_no_old_keras <- function() {
  skip_if_no_keras()
  skip_if(keras_major() > 2, "keras needs Keras 2, and this is Keras 3")
  skip_if_not_installed("keras")
}

old_model <- function() {
  model <- keras::keras_model_sequential(input_shape = 2)
  model <- keras::layer_dense(model, 1)
  keras::compile(model, optimizer = "sgd", loss = "mse")
  model
}

x <- matrix(seq_len(20) / 10, ncol = 2)
y <- rowSums(x) / 2

fit_in_keras <- function(callbacks, model = old_model(), ...) {
  suppressWarnings(keras::fit(
    model, x, y,
    epochs = 2, batch_size = 4, verbose = 0, validation_split = 0.2,
    callbacks = callbacks, ...
  ))
}

test_that("keras::fit() saves each epoch under the contract's name", {
  skip_if_no_old_keras()
  withr::local_dir(withr::local_tempdir())
  template <- "runs/weights.{epoch:02d}-{val_loss:.2f}.hdf5"
  model <- old_model()
  history <- fit_in_keras(
    list(callback_model_checkpoint(template, save_weights_only = TRUE)), model
  )
  names <- sprintf("weights.%02d-%.2f.hdf5", 1:2, history$metrics$val_loss)
  expect_setequal(list.files("runs"), c(names, "modelcheckpoint.jsonl"))
  fresh <- old_model()
  keras::load_model_weights_hdf5(fresh, file.path("runs", names[[2]]))
  expect_equal(keras::get_weights(fresh), keras::get_weights(model))
})

test_that("full models can be loaded with keras::load_model_hdf5()", {
  skip_if_no_old_keras()
  withr::local_dir(withr::local_tempdir())
  for (file in c("w.h5", "w.hdf5")) {
    model <- old_model()
    fit_in_keras(list(callback_model_checkpoint(file)), model)
    loaded <- keras::load_model_hdf5(file)
    expect_equal(
      predict(loaded, x, verbose = 0), predict(model, x, verbose = 0),
      info = file
    )
  }
})

test_that("in keras::fit(), the best is kept and samples are counted", {
  skip_if_no_old_keras()
  withr::local_dir(withr::local_tempdir())
  best <- callback_model_checkpoint("best.keras", save_best_only = TRUE)
  counted <- callback_model_checkpoint(
    "w.{samples}.weights.h5", "loss",
    save_weights_only = TRUE, save_freq = 8
  )
  history <- fit_in_keras(list(best, counted))
  expect_equal(best$best, min(history$metrics$val_loss))
  expect_setequal(
    list.files(pattern = "keras$|h5$"),
    c("best.keras", "w.8.weights.h5", "w.16.weights.h5")
  )
})

test_that("keras::fit() takes it bare, in c(), and with R's own callbacks", {
  skip_if_no_old_keras()
  withr::local_dir(withr::local_tempdir())
  epochs <- NULL
  see <- function(epoch, logs) epochs <<- c(epochs, epoch)
  fit_in_keras(callback_model_checkpoint("bare.keras"), view_metrics = FALSE)
  fit_in_keras(c(
    callback_model_checkpoint("c.keras"),
    keras::callback_lambda(on_epoch_end = see)
  ))
  expect_identical(list.files(pattern = "keras$"), c("bare.keras", "c.keras"))
  expect_identical(epochs, 0:1)
})

test_that("keras::fit() takes the batches of an R function", {
  skip_if_no_old_keras()
  withr::local_dir(withr::local_tempdir())
  batches <- function() list(x[1:4, ], y[1:4])
  suppressWarnings(keras::fit(
    old_model(), batches,
    epochs = 2, steps_per_epoch = 3, verbose = 0,
    callbacks = list(callback_model_checkpoint(
      "w.{samples}.keras", "loss",
      save_freq = 8
    ))
  ))
  expect_setequal(
    list.files(pattern = "keras$"), sprintf("w.%d.keras", c(8, 16, 24))
  )
})

test_that("a save that fails in keras::fit() is an R error", {
  skip_if_no_old_keras()
  withr::local_dir(withr::local_tempdir())
  break_run_folder <- keras::callback_lambda(
    on_epoch_begin = function(epoch, logs) {
      if (epoch == 1) {
        unlink("run", recursive = TRUE)
        file.create("run")
      }
    }
  )
  checkpoint <- callback_model_checkpoint(
    "run/w.{epoch}.keras",
    on_error = "raise"
  )
  expect_error(
    fit_in_keras(list(break_run_folder, checkpoint)), "run/w.2.keras"
  )
})
