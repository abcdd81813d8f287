# The R package keras3: its models, its fit(), its ways to hand over data.

skip_if_no_keras3 <- function() {
  skip_if_no_keras()
  skip_if(keras_major() < 3, "keras3 needs Keras 3, and this is Keras 2")
  skip_if_not_installed("keras3")
}

dense_model <- function(inputs = 2L) {
  model <- keras3::keras_model_sequential(input_shape = inputs)
  model <- keras3::layer_dense(model, 1, kernel_initializer = "ones")
  compiled(model)
}

compiled <- function(model, loss = "mse", ...) {
  # It changes the model in place.
  keras3::compile(model, optimizer = "sgd", loss = loss, ...)
  model
}

x <- matrix(seq_len(20) / 10, ncol = 2)
y <- rowSums(x) / 2

fit_in_keras3 <- function(callbacks, model = dense_model(), ..., epochs = 2) {
  keras3::fit(
    model, x, y,
    epochs = epochs, batch_size = 4, verbose = 0, validation_split = 0.2,
    callbacks = callbacks, ...
  )
}

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

test_that("full models of each suffix load by keras3::load_model()", {
  skip_if_no_keras3()
  withr::local_dir(withr::local_tempdir())
  for (file in c("w.keras", "w.h5", "w.hdf5")) {
    model <- dense_model()
    fit_in_keras3(list(callback_model_checkpoint(file)), model)
    loaded <- suppressWarnings(keras3::load_model(file))
    expect_equal(
      predict(loaded, x, verbose = 0), predict(model, x, verbose = 0),
      info = file
    )
  }
})

test_that("weights of each suffix load by keras3::load_model_weights()", {
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

test_that("in keras3::fit() the best model is the only one kept", {
  skip_if_no_keras3()
  withr::local_dir(withr::local_tempdir())
  checkpoint <- callback_model_checkpoint("best.keras", save_best_only = TRUE)
  history <- fit_in_keras3(list(checkpoint), epochs = 4)
  expect_equal(checkpoint$best, min(history$metrics$val_loss))
  expect_setequal(list.files(), c("best.keras", "modelcheckpoint.jsonl"))
  loaded <- keras3::load_model("best.keras")
  seen <- keras3::evaluate(loaded, x[9:10, ], y[9:10], verbose = 0)
  expect_equal(seen$loss, checkpoint$best, tolerance = 1e-6)
})

test_that("in keras3::fit() samples are counted, a ragged last batch too", {
  skip_if_no_keras3()
  withr::local_dir(withr::local_tempdir())
  checkpoint <- callback_model_checkpoint(
    "w.{epoch}.{batch}.{samples}.keras",
    monitor = "loss", save_freq = 5
  )
  keras3::fit(
    dense_model(), x, y,
    epochs = 2, batch_size = 4, verbose = 0, callbacks = list(checkpoint)
  )
  # Batches of 4, 4 and 2: 4, 8, 10, 14, 18 and 20 samples were seen.
  expect_setequal(
    list.files(pattern = "keras$"),
    c("w.1.2.8.keras", "w.2.1.14.keras", "w.2.3.20.keras")
  )
})

# One save at the end of each of two epochs: all samples were seen, and no more.
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

test_that("an R function can make the batches, of varying size", {
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

test_that("R's own callbacks go on working beside it, in any order", {
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

# Puts a file in the folder's place when the second epoch ends.
break_run_folder <- function() {
  keras3::callback_lambda(on_epoch_begin = function(epoch, logs) {
    if (epoch == 2) {
      unlink("run", recursive = TRUE)
      file.create("run")
    }
  })
}

test_that("a save that fails in keras3::fit() is an R error, and R goes on", {
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

test_that("what it has to say is printed in the middle of keras3::fit()", {
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

test_that("R functions as loss and metric can be saved and monitored", {
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
    # keras3 gives each R function that is a loss this name.
    loaded <- suppressWarnings(keras3::load_model(
      file,
      custom_objects = list(custom_loss = loss, my_error = error)
    ))
    expect_equal(
      predict(loaded, x, verbose = 0), predict(model, x, verbose = 0),
      info = file
    )
  }
})

# A model class written in R, with the methods that are given.
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

test_that("a model class written in R is saved by what it says itself", {
  skip_if_no_keras3()
  withr::local_dir(withr::local_tempdir())
  # keras3 gives a method another environment: it sees no variable of this one.
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

test_that("a train_step written in R: batches can be counted, samples not", {
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
