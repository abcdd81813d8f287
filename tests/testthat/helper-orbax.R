# Checkpoints that are folders, which Orbax writes.

skip_if_no_orbax <- function() {
  skip_on_cran()
  skip_if_no_keras()
  skip_if(keras_before("3.4"), "this needs Keras 3.4")
  skip_if_not(reticulate::py_module_available("orbax.checkpoint"), "Orbax is missing")
}

# A model whose optimizer has state for each weight.
adam_model <- function() {
  model <- tiny_model()
  model$compile(optimizer = "adam", loss = "mse")
  model
}

adam_fit <- function(name, epochs, ..., model = adam_model()) {
  checkpoint <- callback_model_checkpoint(name, monitor = "loss", ...)
  output <- reticulate::py_capture_output(
    history <- tiny_fit(model, checkpoint, epochs = epochs)
  )
  list(
    model = model, checkpoint = checkpoint, output = output,
    epochs = as.integer(unlist(history$epoch))
  )
}

optimizer_state <- function(model) {
  lapply(model$optimizer$variables, function(variable) {
    as.array(reticulate::import("keras")$ops$convert_to_numpy(variable))
  })
}

# Flips a bit in the middle of a file; a second call restores it.
flip_bit <- function(path) {
  bytes <- readBin(path, "raw", file.size(path))
  middle <- length(bytes) %/% 2L + 1L
  bytes[[middle]] <- xor(bytes[[middle]], as.raw(4))
  writeBin(bytes, path)
}
