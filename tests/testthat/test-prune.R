test_that("prune_checkpoints() reports what it would delete, and deletes it", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  put_six(folder)
  expect_message(
    found <- prune_checkpoints(folder, keep_latest = 2),
    "Would delete 3 of 6 checkpoints, 48 B. `dry_run = FALSE` deletes them.",
    fixed = TRUE
  )
  expect_s3_class(found, "modelcheckpoint_list")
  expect_identical(found$name, sprintf("w.%d.keras", c(1, 3, 4)))
  expect_true(all(file.exists(found$path)))
  expect_message(
    gone <- prune_checkpoints(folder, keep_latest = 2, dry_run = FALSE),
    "Deleted 3 of 6 checkpoints, 48 B."
  )
  expect_identical(gone$name, found$name)
  expect_false(any(file.exists(found$path)))
  expect_identical(list_checkpoints(folder)$epoch, c(2, 5, 6))
  expect_message(
    prune_checkpoints(folder, keep_best = 5, keep_every = 2^40),
    "Nothing to delete among 3 checkpoints."
  )
})
