# Checkpoints in an object store: one run on a real server, and what follows.

test_that("a run in a store is listed, verified, resumed, fetched and pruned", {
  store <- local_store()
  template <- paste0(store$address, "/w.{epoch}.keras")
  saved <- character()
  checkpoint <- callback_model_checkpoint(
    template,
    on_saved = function(record) saved <<- c(saved, record$path)
  )
  model <- tiny_model()
  tiny_fit(model, checkpoint, epochs = 3L)
  expect_identical(saved, sprintf("w.%d.keras", 1:3))

  listed <- list_checkpoints(store$address)
  expect_identical(listed$name, saved)
  expect_output(print(listed), store$address, fixed = TRUE)
  expect_identical(verify_checkpoints(store$address)$status, rep("good", 3))
  last <- paste0(store$address, "/w.3.keras")
  expect_identical(latest_checkpoint(store$address), last)
  expect_identical(
    best_checkpoint(store$address, monitor = "loss", mode = "min"), last
  )

  other <- tiny_model()
  expect_identical(restore_checkpoint(other, last)$epochs_done, 3L)
  expect_equal(other$get_weights(), model$get_weights())
  folder <- withr::local_tempdir()
  path <- fetch_checkpoint(last, folder)
  expect_identical(basename(path), "w.3.keras")
  loaded <- reticulate::import("keras")$models$load_model(path)
  expect_equal(loaded$get_weights(), model$get_weights())

  resumed <- callback_model_checkpoint(template, resume = TRUE)
  output <- reticulate::py_capture_output(
    tiny_fit(tiny_model(), resumed, epochs = 4L)
  )
  expect_match(output, paste("resumed from", last), fixed = TRUE)
  expect_identical(resumed$restored$path, last)
  expect_identical(list_checkpoints(store$address)$name, sprintf("w.%d.keras", 1:4))

  expect_message(
    gone <- prune_checkpoints(store$address, keep_latest = 1, dry_run = FALSE),
    "Deleted 3 of 4 checkpoints"
  )
  expect_true("w.1.keras" %in% gone$name)
  expect_false(file.exists(file.path(store$folder, "run", "w.1.keras")))
})

test_that("a flipped bit is found, and nothing of it is fetched", {
  store <- local_store()
  checkpoint <- callback_model_checkpoint(paste0(store$address, "/w.keras"))
  tiny_fit(tiny_model(), checkpoint)
  path <- file.path(store$folder, "run", "w.keras")
  bytes <- readBin(path, "raw", file.size(path))
  bytes[[1000]] <- xor(bytes[[1000]], as.raw(4))
  writeBin(bytes, path)
  Sys.sleep(0.3) # the server looks again
  expect_identical(verify_checkpoints(store$address)$status, "damaged")
  folder <- withr::local_tempdir()
  address <- paste0(store$address, "/w.keras")
  expect_error(fetch_checkpoint(address, folder), "is damaged")
  expect_identical(list.files(folder, all.files = TRUE, no.. = TRUE), character())
})

test_that("problems of a store are errors before the first batch", {
  store <- local_store()
  missing <- callback_model_checkpoint("s3://another-bucket/run/w.keras")
  expect_error(tiny_fit(tiny_model(), missing), "there is no such bucket")
  expect_error(list_checkpoints("s3://another-bucket/run"), "there is no such bucket")
  withr::local_envvar(AWS_SECRET_ACCESS_KEY = "of-somebody-else")
  refused <- callback_model_checkpoint(paste0(store$address, "/w.keras"))
  expect_error(tiny_fit(tiny_model(), refused), "the store refuses access")
  # Sys.setenv() has an effect even if Python is already running.
  withr::local_envvar(AWS_ALLOW_HTTP = NA)
  expect_error(list_checkpoints(store$address), "set AWS_ALLOW_HTTP=true")
})

test_that("without obstore an error says how R users install it", {
  skip_if_no_keras()
  # Python then treats the package as missing.
  reticulate::py_run_string("import sys; sys.modules['obstore'] = None")
  withr::defer(reticulate::py_run_string("del sys.modules['obstore']"))
  way_out <- "install it there by `reticulate::py_install(\"obstore\")`"
  expect_error(
    callback_model_checkpoint("s3://bucket/run/w.keras"), way_out,
    fixed = TRUE
  )
  expect_error(list_checkpoints("s3://bucket/run"), way_out, fixed = TRUE)
  expect_error(fetch_checkpoint("s3://bucket/run/w.keras"), way_out, fixed = TRUE)
})
