columns <- c(
  "path", "status", "reason", "epoch", "value", "bytes", "time", "run"
)

test_that("verify_checkpoints() distinguishes good, damaged, missing and unknown", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  checkpoint <- callback_model_checkpoint(
    "w.{epoch}.weights.h5",
    save_weights_only = TRUE
  )
  reticulate::py_capture_output(tiny_fit(tiny_model(), checkpoint, epochs = 3L))
  file.copy("w.1.weights.h5", "copy.weights.h5")
  found <- verify_checkpoints(".")
  expect_named(found, columns)
  expect_identical(found$path, c(sprintf("w.%d.weights.h5", 1:3), "copy.weights.h5"))
  expect_identical(found$status, c("good", "good", "good", "unknown"))
  expect_identical(found$reason, rep(NA_character_, 4))
  expect_identical(found$epoch, c(1, 2, 3, NA))
  expect_identical(found$bytes[1:3], file.size(found$path[1:3]))
  expect_s3_class(found$time, "POSIXct")
  expect_lt(abs(as.double(Sys.time()) - as.double(found$time[[1]])), 600)
  expect_identical(is.na(found$run), c(FALSE, FALSE, FALSE, TRUE))

  bytes <- readBin("w.1.weights.h5", "raw", 1e6)
  bytes[[1000]] <- xor(bytes[[1000]], as.raw(4))
  writeBin(bytes, "w.1.weights.h5")
  unlink("w.2.weights.h5")
  found <- verify_checkpoints(".")
  expect_identical(found$status, c("damaged", "missing", "good", "unknown"))
  expect_match(found$reason[[1]], "its crc32 is .*, the journal says")
})

test_that("a folder without checkpoints is a table without rows", {
  skip_if_no_python()
  found <- verify_checkpoints(withr::local_tempdir())
  expect_named(found, columns)
  expect_identical(nrow(found), 0L)
  types <- c(
    rep("character", 3), rep("double", 4), "character"
  )
  expect_identical(unname(vapply(found, typeof, "")), types)
})

test_that("an argument that is not a folder is an error from the user's call", {
  expect_error(verify_checkpoints(), "`folder` must be one non-empty string")
  expect_error(verify_checkpoints(3), "`folder` must be .*, not 3")
  skip_if_no_python()
  error <- expect_error(
    verify_checkpoints(file.path(tempdir(), "missing")),
    "`folder` must be a folder that exists"
  )
  expect_identical(error$call[[1]], quote(verify_checkpoints))
})

test_that("an interactive session is shown how much was read", {
  bar <- reading_bar(shown = TRUE)
  expect_null(bar(1, 2))
  expect_null(bar(2, 2))
  expect_null(reading_bar(shown = FALSE))
})
