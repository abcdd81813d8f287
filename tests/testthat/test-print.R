test_that("print() tells what is saved, when, and what is best", {
  skip_if_no_keras()
  expect_snapshot(cran = TRUE, {
    callback_model_checkpoint("weights.{epoch:02d}-{val_loss:.2f}.hdf5")
    callback_model_checkpoint(
      "best.keras",
      monitor = "val_accuracy", mode = "max", save_best_only = TRUE, period = 5
    )
    callback_model_checkpoint(
      "w.{samples}.weights.h5",
      save_weights_only = TRUE, save_freq = 2^40
    )
    callback_model_checkpoint("w.h5", save_freq = 1, save_freq_unit = "batches")
    callback_model_checkpoint("w.h5", save_best_only = TRUE, background = FALSE)
    callback_model_checkpoint(
      "w.{epoch}.h5",
      keep_latest = 3, keep_best = 2, keep_every = 10,
      save_seconds = as.difftime(10, units = "mins"), save_on_exit = TRUE
    )
    callback_model_checkpoint("w.{epoch}.h5", keep_every = 1)
  })
  checkpoint <- callback_model_checkpoint("w.keras")
  capture.output(returned <- withVisible(print(checkpoint)))
  expect_false(returned$visible)
  expect_identical(returned$value, checkpoint)
})

test_that("print() shows the best value and the number of problems", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  checkpoint <- callback_model_checkpoint(
    "w.{nothing}.keras",
    save_weights_only = FALSE, save_best_only = TRUE
  )
  reticulate::py_capture_output(tiny_fit(tiny_model(), checkpoint))
  shown <- capture.output(print(checkpoint))
  expect_match(shown, paste("^best: +", format(checkpoint$best)), all = FALSE)
  expect_match(shown, "^problems: 1, see `\\$problems`$", all = FALSE)
  expect_match(unlist(checkpoint$problems), "nothing")
})
