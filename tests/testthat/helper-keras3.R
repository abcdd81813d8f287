# Models and a fit() of the R package keras3, which few machines have.

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

features <- matrix(seq_len(20) / 10, ncol = 2)
targets <- rowSums(features) / 2

fit_in_keras3 <- function(callbacks, model = dense_model(), ..., epochs = 2) {
  keras3::fit(
    model, features, targets,
    epochs = epochs, batch_size = 4, verbose = 0, validation_split = 0.2,
    callbacks = callbacks, ...
  )
}
