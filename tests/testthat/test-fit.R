# What R passes to model$fit() without a package for it: data and callbacks.

x <- matrix(seq_len(20) / 10, ncol = 2)
y <- array(rowSums(x) / 2)

# The names of the files saved every 4 samples, in two epochs of 10 samples.
fit_by_fours <- function(x, y, model = flat_model(), ...) {
  withr::local_dir(withr::local_tempdir())
  checkpoint <- callback_model_checkpoint(
    "w.{samples}.weights.h5", "loss",
    save_weights_only = TRUE, save_freq = 4
  )
  reticulate::py_capture_output(model$fit(
    x, y,
    epochs = 2L, batch_size = 4L, verbose = 0L, callbacks = list(checkpoint),
    ...
  ))
  expect_length(checkpoint$problems, 0)
  list.files(pattern = "h5$")
}

by_fours <- sort(sprintf("w.%d.weights.h5", c(4, 8, 14, 18)))

# A model for rows of any shape that contain numbers.
flat_model <- function(units = 1L, loss = "mse") {
  layers <- reticulate::import("keras")$layers
  model <- reticulate::import("keras")$Sequential(list(
    layers$Flatten(), layers$Dense(units)
  ))
  model$compile(optimizer = "sgd", loss = loss)
  model
}

test_that("R's matrices and arrays of any type can be trained on", {
  skip_if_no_keras()
  whole <- matrix(seq_len(20), ncol = 2)
  expect_identical(fit_by_fours(x, y), by_fours)
  expect_identical(fit_by_fours(whole, y), by_fours)
  expect_identical(fit_by_fours(x, array(seq_len(10))), by_fours)
  expect_identical(fit_by_fours(array(x, c(10, 2, 1)), y), by_fours)
})

test_that("a factor can be trained on as integer labels", {
  skip_if_no_keras()
  rows <- seq(1, 150, length.out = 10)
  labels <- array(as.integer(iris$Species[rows]) - 1L)
  model <- flat_model(3L, "sparse_categorical_crossentropy")
  expect_identical(
    fit_by_fours(as.matrix(iris[rows, 1:4]), labels, model), by_fours
  )
})

test_that("sample and class weights do not disturb the count", {
  skip_if_no_keras()
  expect_identical(
    fit_by_fours(x, y, sample_weight = array(rep(0:1, 5))), by_fours
  )
  expect_identical(
    fit_by_fours(
      x, array(rep(0:1, 5)),
      class_weight = reticulate::py_eval("{0: 1.0, 1: 3.0}", convert = FALSE)
    ),
    by_fours
  )
})

test_that("model$fit() takes the callback bare, in c(), and by name", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  fit <- function(callbacks) {
    tiny_model()$fit(
      x, y,
      verbose = 0L, validation_split = 0.2, callbacks = callbacks
    )
  }
  fit(callback_model_checkpoint("bare.keras"))
  fit(c(callback_model_checkpoint("c-1.keras")))
  fit(c(
    callback_model_checkpoint("c-2.keras"), callback_model_checkpoint("c-3.h5")
  ))
  expect_identical(
    list.files(pattern = "keras$|h5$"),
    c("bare.keras", "c-1.keras", "c-2.keras", "c-3.h5")
  )
})

test_that("one callback serves several fits, and then another model", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  checkpoint <- callback_model_checkpoint(
    "w.{epoch}.{samples}.keras", "loss",
    save_freq = 4
  )
  fit <- function(model, epoch) {
    reticulate::py_capture_output(model$fit(
      x, y,
      initial_epoch = epoch - 1L, epochs = epoch, batch_size = 4L,
      verbose = 0L, callbacks = list(checkpoint)
    ))
    list.files(pattern = "keras$")
  }
  # Samples are counted in each fit separately.
  expected <- sprintf("w.%d.%d.keras", c(1, 1, 2, 2), c(4, 8))
  model <- tiny_model()
  expect_identical(fit(model, 1L), expected[1:2])
  expect_identical(fit(model, 2L), expected)
  unlink(list.files())
  expect_identical(fit(tiny_model(), 2L), expected[3:4])
  expect_length(checkpoint$problems, 0)
})
