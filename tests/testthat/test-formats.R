# Models that cannot be saved, or not loaded again: reported before training.

# A model with a user's layer, defined in Python as keras3 does it.
own_model <- function(class) {
  keras <- reticulate::import("keras")
  code <- paste0(
    "import keras\n",
    "class Unsaved(keras.layers.Layer):\n",
    "    def __init__(self, sizes, **options):\n",
    "        super().__init__(**options)\n",
    "        self.inner = keras.layers.Dense(sizes.pop())\n",
    "    def call(self, inputs):\n",
    "        return self.inner(inputs)\n",
    "class Bare(keras.Sequential):\n",
    "    def __init__(self, units=1):\n",
    "        super().__init__([keras.layers.Dense(units)])\n"
  )
  classes <- reticulate::py_run_string(code)
  model <- if (class == "Bare") {
    classes$Bare()
  } else {
    sizes <- reticulate::py_eval("{3}", convert = FALSE)
    keras$Sequential(list(classes$Unsaved(sizes), keras$layers$Dense(1L)))
  }
  model$compile(optimizer = "sgd", loss = "mean_squared_error")
  model
}

fit_own <- function(model, path, ...) {
  checkpoint <- callback_model_checkpoint(path, ...)
  reticulate::py_capture_output(model$fit(
    matrix(1, 4, 2), matrix(1, 4, 1),
    verbose = 0L, callbacks = list(checkpoint)
  ))
  checkpoint
}

test_that("a layer without a config is an error, and its weights are saved", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  for (path in c("w.keras", "w.h5")) {
    expect_error(fit_own(own_model("Unsaved"), path), "get_config")
  }
  expect_identical(list.files(), character())
  fit_own(own_model("Unsaved"), "w.weights.h5", save_weights_only = TRUE)
  expect_true(file.exists("w.weights.h5"))
})

test_that("a class that load_model() does not rebuild is reported", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  expect_error(fit_own(own_model("Bare"), "w.h5"), "loads again")
  checkpoint <- fit_own(own_model("Bare"), "w.keras")
  expect_match(checkpoint$problems, "does not rebuild.*'Bare'.*load_weights")
  expect_true(file.exists("w.keras"))
})
