# The kinds of data that the R package keras3 accepts.

x <- features
y <- targets

# Saves at the end of each of two epochs if exactly all samples are counted.
saves_each_epoch <- function(kind, model, samples, ...) {
  checkpoint <- callback_model_checkpoint(
    paste0(kind, "/w.{epoch}.{samples}.keras"),
    monitor = "loss", save_freq = samples
  )
  suppressWarnings(keras3::fit(
    model, ...,
    epochs = 2, verbose = 0, callbacks = list(checkpoint)
  ))
  expect_identical(
    list.files(kind, "keras$"), sprintf("w.%d.%.0f.keras", 1:2, samples * 1:2)
  )
  expect_length(checkpoint$problems, 0)
}

test_that("each kind of R data that keras3::fit() takes can be trained on", {
  skip_if_no_keras3()
  withr::local_dir(withr::local_tempdir())
  whole <- matrix(seq_len(20), ncol = 2)
  weeks <- keras3::keras_model_sequential(input_shape = c(2, 2))
  weeks <- keras3::layer_dense(keras3::layer_flatten(weeks), 1)
  flowers <- keras3::keras_model_sequential(input_shape = 4)
  flowers <- keras3::layer_dense(flowers, 3, activation = "softmax")
  columns <- list(
    keras3::keras_input(1, name = "a"), keras3::keras_input(1, name = "b")
  )
  joined <- keras3::layer_dense(keras3::layer_concatenate(columns), 1)
  by_column <- keras3::keras_model(columns, joined)
  saves_each_epoch("double", dense_model(), 10, x, y, batch_size = 4)
  saves_each_epoch(
    "integer", dense_model(), 10, whole, seq_len(10),
    batch_size = 4
  )
  saves_each_epoch(
    "array", compiled(weeks), 5, array(x, c(5, 2, 2)), y[1:5],
    batch_size = 4
  )
  saves_each_epoch(
    "factor", compiled(flowers, "sparse_categorical_crossentropy"), 150,
    as.matrix(iris[1:4]), iris$Species
  )
  saves_each_epoch(
    "list", compiled(by_column), 10, list(x[, 1], x[, 2]), y,
    batch_size = 4
  )
  saves_each_epoch(
    "data frame", compiled(by_column), 10, data.frame(b = x[, 1], a = x[, 2]),
    y,
    batch_size = 4
  )
})

test_that("a tf.data.Dataset can be trained on", {
  skip_if_no_keras3()
  skip_if_not(reticulate::py_module_available("tensorflow"), "no TensorFlow")
  withr::local_dir(withr::local_tempdir())
  dataset <- reticulate::import("tensorflow")$data$Dataset$
    from_tensor_slices(reticulate::tuple(x, y))$batch(4L)
  saves_each_epoch("tf.data", dense_model(), 10, dataset)
})

test_that("an R function can supply batches of varying size", {
  skip_if_no_keras3()
  withr::local_dir(withr::local_tempdir())
  made <- 0
  batches <- function() {
    made <<- made + 1
    rows <- if (made %% 2 == 1) 1:4 else 5:7
    list(x[rows, ], y[rows])
  }
  checkpoint <- callback_model_checkpoint(
    "w.{samples}.keras",
    monitor = "loss", save_freq = 7
  )
  suppressWarnings(keras3::fit(
    dense_model(), batches,
    epochs = 2, steps_per_epoch = 4, verbose = 0, callbacks = list(checkpoint)
  ))
  expect_setequal(
    list.files(pattern = "keras$"), sprintf("w.%d.keras", 7 * 1:4)
  )
})
