# Calls plot() on a temporary device; checks its value, returns the coordinates.
drawn <- function(x, ...) {
  file <- withr::local_tempfile(fileext = ".pdf")
  grDevices::pdf(file, 7, 4.5)
  withr::defer(grDevices::dev.off())
  returned <- withVisible(plot(x, ...))
  expect_false(returned$visible)
  expect_identical(returned$value, x)
  invisible(graphics::par("usr"))
}

test_that("the curve has existing and deleted checkpoints, and the best", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  put_six(folder)
  unlink(file.path(folder, "w.2.keras"))
  found <- list_checkpoints(folder)
  points <- curve_of(found)
  expect_identical(points$epoch, c(1, 2, 3, 4, 5, 6))
  expect_identical(points$value, abs(1:6 - 2) / 4)
  expect_identical(is.na(points$name), points$epoch == 2)
  expect_identical(points$epoch[points$best], 1)
  expect_identical(
    attr(points, "legend")$label,
    c("kept", "deleted or replaced", "best: 0.25 in epoch 1")
  )
  usr <- drawn(found)
  expect_lt(usr[[1]], 1)
  expect_gt(usr[[2]], 6)
})

test_that("a subset of rows is drawn on its own, at the same places", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  for (n in 1:4) {
    name <- sprintf("w.%d.keras", n)
    put(folder, name, (n + 1) %/% 2, n / 4, batch = 5 * (2 - n %% 2), size = 5 + n)
  }
  found <- list_checkpoints(folder)
  points <- curve_of(found)
  expect_identical(points$epoch, c(0.5, 1, 1.5, 2))
  attr(found, "curve") <- NULL
  expect_equal(curve_of(found), points)
  some <- found[3:4, ]
  expect_identical(curve_of(some)$epoch, c(1.5, 2))
  drawn(some)
  expect_error(plot(found["name"]), "`x` must have the column `epoch` to be drawn")
})

test_that("several lists in one are drawn together, under one legend", {
  skip_if_no_python()
  folders <- c(withr::local_tempdir(), withr::local_tempdir())
  put_six(folders[[1]])
  for (n in 1:3) {
    put(folders[[2]], sprintf("w.%d.keras", n), n, 2 - n / 4, run = "two")
  }
  lists <- lapply(folders, list_checkpoints)
  bound <- list(do.call(rbind, lists), do.call(rbind, rev(lists)))
  if (requireNamespace("dplyr", quietly = TRUE)) {
    bound$dplyr <- dplyr::bind_rows(lists)
  }
  for (both in bound) {
    points <- curve_of(both)
    expect_setequal(paste(points$run, points$epoch), paste(both$run, both$epoch))
    labels <- attr(points, "legend")$label
    expect_setequal(labels[1:2], c("one", "two"))
    expect_identical(labels[[3]], "kept")
    expect_match(labels[[4]], "^best: .* in epoch [23], .* in epoch [23]$")
    expect_length(labels, 4)
    drawn(both)
  }
})

test_that("every folder can be drawn", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  drawn(list_checkpoints(folder))
  put(folder, "none.keras", 1, NULL)
  drawn(list_checkpoints(folder))
  put(folder, "one.keras", 1, 0.5)
  drawn(list_checkpoints(folder))
  for (n in 2:59) {
    value <- if (n %% 7 == 0) "NaN" else 1 / n
    put(folder, sprintf("w.%d.keras", n), n, value, there = n %% 5 == 0)
  }
  drawn(list_checkpoints(folder))
  drawn(list_checkpoints(folder), main = "A title", log = "y", ylab = "loss")
  for (run in sprintf("run-%d", 1:8)) {
    put(folder, paste0(run, ".keras"), 1, 0.5, run = run)
  }
  found <- list_checkpoints(folder)
  expect_identical(
    attr(curve_of(found), "legend")$label[1:5],
    c("earlier runs", sprintf("run-%d", 5:8))
  )
  drawn(found)
  put(folder, "same.keras", 2, 0.5, monitor = "other")
  expect_identical(nrow(curve_of(list_checkpoints(folder))), 1L)
  drawn(list_checkpoints(folder))
})

test_that("plot() leaves the device's settings as they were", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  put_six(folder)
  grDevices::pdf(withr::local_tempfile(fileext = ".pdf"))
  withr::defer(grDevices::dev.off())
  before <- graphics::par("mar", "mfrow")
  plot(list_checkpoints(folder))
  expect_identical(graphics::par("mar", "mfrow"), before)
})
