# Losses, metrics and models that are written in R, for keras3.

test_that("models with R functions as loss and metric can be saved and monitored", {
  skip_if_no_keras3()
  withr::local_dir(withr::local_tempdir())
  loss <- function(y_true, y_pred) {
    keras3::op_mean((y_true - y_pred)^2, axis = -1L)
  }
  error <- keras3::custom_metric("my_error", function(y_true, y_pred) {
    keras3::op_mean(keras3::op_abs(y_true - y_pred))
  })
  for (file in c("w.keras", "w.h5")) {
    model <- dense_model()
    compiled(model, loss, metrics = list(error))
    checkpoint <- callback_model_checkpoint(
      file,
      monitor = "val_my_error", save_best_only = TRUE
    )
    history <- fit_in_keras3(list(checkpoint), model)
    expect_equal(checkpoint$best, min(history$metrics$val_my_error))
    # keras3 gives every R function used as a loss this name.
    loaded <- suppressWarnings(keras3::load_model(
      file,
      custom_objects = list(custom_loss = loss, my_error = error)
    ))
    expect_equal(
      predict(loaded, features, verbose = 0), predict(model, features, verbose = 0),
      info = file
    )
  }
})

# A model class written in R, with these methods.
r_model <- function(name, ...) {
  class <- keras3::Model(
    name,
    initialize = function(...) {
      super$initialize(...)
      self$dense <- keras3::layer_dense(units = 1)
    },
    call = function(inputs) self$dense(inputs),
    ...
  )
  compiled(class())
}

test_that("a model class written in R is saved by its own method", {
  skip_if_no_keras3()
  withr::local_dir(withr::local_tempdir())
  # keras3 changes the environment of a method: it sees no variables from here.
  model <- r_model("Saving", save = function(...) {
    cat("saved\n", file = "saves.txt", append = TRUE)
    super$save(...)
  })
  fit_in_keras3(list(callback_model_checkpoint("w.keras")), model)
  expect_length(readLines("saves.txt"), 2)
  expect_true(file.exists("w.keras"))
  expect_error(
    fit_in_keras3(list(callback_model_checkpoint("w.h5")), r_model("Plain")),
    "that ends in .keras",
    fixed = TRUE
  )
})

test_that("with a train_step written in R, batches can be counted, samples cannot", {
  skip_if_no_keras3()
  withr::local_dir(withr::local_tempdir())
  model <- r_model("Stepping", train_step = function(...) {
    super$train_step(...)
  })
  by <- function(...) {
    callback_model_checkpoint(
      "w.{epoch}.{batch}.weights.h5", "loss",
      save_weights_only = TRUE, save_freq = 2, ...
    )
  }
  expect_error(fit_in_keras3(list(by()), model), "save_freq_unit='batches'")
  fit_in_keras3(list(by(save_freq_unit = "batches")), model)
  expect_identical(
    list.files(pattern = "h5$"), sprintf("w.%d.2.weights.h5", 1:2)
  )
})
