base <- c(
  "path", "name", "status", "epoch", "batch", "samples", "monitor", "value",
  "mode", "best", "format", "bytes", "crc32", "time", "run", "aside"
)

test_that("list_checkpoints() has a row for each checkpoint of a real run", {
  skip_if_no_keras()
  withr::local_dir(withr::local_tempdir())
  checkpoint <- callback_model_checkpoint(
    "w.{epoch}.weights.h5",
    save_weights_only = TRUE
  )
  reticulate::py_capture_output(tiny_fit(tiny_model(), checkpoint, epochs = 3L))
  unlink("w.2.weights.h5")
  found <- list_checkpoints(".")
  expect_s3_class(found, c("modelcheckpoint_list", "data.frame"), exact = TRUE)
  expect_named(found, c(base, "loss", "val_loss"))
  expect_identical(found$name, c("w.1.weights.h5", "w.3.weights.h5"))
  expect_identical(found$epoch, c(1, 3))
  expect_identical(found$value, found$val_loss)
  expect_identical(found$status, rep("recorded", 2))
  expect_identical(found$bytes, file.size(found$path))
  expect_identical(found$batch, c(NA_real_, NA))
  expect_s3_class(found$time, "POSIXct")
  expect_identical(attr(found$time, "tzone"), "UTC")
  expect_lt(abs(as.double(Sys.time()) - as.double(found$time[[1]])), 600)
  expect_identical(found$best, found$value == min(found$value))

  model <- tiny_model()
  model$load_weights(latest_checkpoint("."))
  expect_identical(latest_checkpoint("."), found$path[[2]])
  expect_identical(best_checkpoint("."), found$path[found$best])
})

test_that("a folder without checkpoints has the same columns and no rows", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  empty <- list_checkpoints(folder)
  expect_named(empty, base)
  expect_identical(nrow(empty), 0L)
  put(folder, "w.keras", 1, 0.5)
  full <- list_checkpoints(folder)
  expect_identical(lapply(empty, class), lapply(full[base], class))
  expect_identical(
    vapply(empty, typeof, ""), vapply(full[base], typeof, "")
  )
})

test_that("unknown values are NA, and values that are not numbers NaN", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  writeBin(raw(3), file.path(folder, "other.h5"))
  put(folder, "a.keras", 1, "NaN")
  put(folder, "b.keras", 2, NULL, logs = list(acc = 1, value = 2))
  found <- list_checkpoints(folder)
  expect_named(found, c(base, "loss", "val_loss", "acc", "logs.value"))
  expect_identical(found$status, c("unknown", "recorded", "recorded"))
  expect_true(is.nan(found$value[[2]]))
  expect_identical(is.nan(found$value), c(FALSE, TRUE, FALSE))
  expect_identical(found$acc, c(NA, NA, 1))
  expect_identical(found$format, c(NA, "keras", "keras"))
  expect_identical(found$run, c(NA, "one", "one"))
  expect_identical(found$bytes, c(3, 6, 6))
})

test_that("sizes and samples above 2^31 are exact", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  put(folder, "w.keras", 1, 0.5, samples = 2^40)
  expect_identical(list_checkpoints(folder)$samples, 2^40)
})

test_that("it stays a data frame", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  put_six(folder)
  found <- list_checkpoints(folder)
  expect_identical(found[found$epoch > 4, "name"], c("w.5.keras", "w.6.keras"))
  expect_identical(nrow(found[2:3, ]), 2L)
  expect_named(found[c("name", "epoch")], c("name", "epoch"))
  expect_identical(found[["epoch"]], c(1, 2, 3, 4, 5, 6))
  found$mine <- found$epoch * 2
  expect_identical(found$mine[[3]], 6)
  expect_identical(nrow(head(found, 2)), 2L)
  expect_identical(nrow(subset(found, best)), 1L)
  expect_identical(nrow(rbind(found[1, ], found[2, ])), 2L)
  expect_identical(found[order(-found$epoch), ]$epoch, c(6, 5, 4, 3, 2, 1))
  expect_identical(nrow(as.data.frame(found)), 6L)
})

test_that("print() shows a table, the best, and nothing that moves the cursor", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  withr::local_options(width = 80)
  show <- function(x, ...) {
    writeLines(gsub(folder, "<folder>", capture.output(print(x, ...)), fixed = TRUE))
  }
  empty <- list_checkpoints(folder)
  put_six(folder)
  few <- list_checkpoints(folder)
  other <- file.path(folder, "a\033[31m.keras")
  writeBin(raw(1), other)
  Sys.setFileTime(other, as.POSIXct(10, origin = "1970-01-01", tz = "UTC"))
  put(folder, "w.6.keras", 6, 0.25, size = 7, there = FALSE)
  writeBin(raw(5), file.path(folder, "w.5.keras"))
  Sys.setFileTime(
    file.path(folder, "w.5.keras"), as.POSIXct(20, origin = "1970-01-01", tz = "UTC")
  )
  long <- paste0(strrep("a_very_long_name_", 6), "{epoch}.keras")
  put(folder, long, 7, 0.75, batch = 3, monitor = "accuracy", mode = "max")
  odd <- list_checkpoints(folder)
  expect_snapshot(cran = TRUE, {
    show(empty)
    show(few)
    show(few[2:3, ])
    show(odd)
    show(few, n = 2)
    show(few[c("name", "epoch")])
  })
  capture.output(returned <- withVisible(print(few)))
  expect_false(returned$visible)
  expect_identical(returned$value, few)
})

test_that("the lists of two folders print as one, however they were combined", {
  skip_if_no_python()
  above <- withr::local_tempdir()
  for (run in c("one", "two")) {
    for (n in 1:2) {
      put(file.path(above, run), sprintf("%d.keras", n), n, n / 4, run = run)
    }
  }
  lists <- lapply(file.path(above, c("one", "two")), list_checkpoints)
  bound <- list(do.call(rbind, lists))
  if (requireNamespace("dplyr", quietly = TRUE)) {
    bound$dplyr <- dplyr::bind_rows(lists)
  }
  for (both in bound) {
    expect_s3_class(both, "modelcheckpoint_list")
    expect_null(attr(both, "folder"))
    expect_null(attr(both, "curve"))
    lines <- capture.output(print(both))
    expect_match(lines[[1]], "^<4 checkpoints in 2 folders> /.*[^/]$")
    names <- c("one/1.keras", "one/2.keras", "two/1.keras", "two/2.keras")
    expect_identical(sub("^.. (\\S+) .*", "\\1", lines[3:6]), names)
    expect_identical(substr(lines[3:6], 1, 1), c("*", " ", "*", " "))
    expect_identical(lines[-(1:6)], "* best by val_loss")
    last <- utils::tail(capture.output(print(both, n = 1)), 1)
    expect_identical(last, "* best by val_loss: one/1.keras, two/1.keras")
  }
  # Attributes that are still true are kept.
  expect_identical(attr(lists[[1]][2, ], "folder"), attr(lists[[1]], "folder"))
  expect_identical(attr(lists[[1]][2:1, ], "curve"), attr(lists[[1]], "curve"))
  again <- rbind(lists[[1]], list_checkpoints(file.path(above, "one")))
  expect_match(capture.output(print(again))[[1]], "^<4 checkpoints> .*/one$")
  expect_identical(nrow(curve_of(again)), 2L)
})

test_that("print() takes rows and columns that a user has changed", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  put_six(folder)
  found <- list_checkpoints(folder)
  shown <- function(x) capture.output(print(x))
  expect_length(shown(found[c(1, NA), ]), 4)
  expect_length(shown(found[0, ]), 1)
  expect_match(shown(subset(found, best)), "w.2.keras", all = FALSE)
  changed <- found
  changed$best <- NA
  expect_length(shown(changed), 8)
  changed$bytes <- "many"
  expect_match(shown(changed), "many", all = FALSE)
  found$time <- as.character(found$time)
  expect_match(shown(found), "w.6.keras", all = FALSE)
})

test_that("a list that outlives its Python prints as a data frame", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  put_six(folder)
  file <- withr::local_tempfile(fileext = ".rds")
  saveRDS(list_checkpoints(folder), file)
  code <- sprintf("library(modelcheckpoint); print(readRDS('%s'))", file)
  output <- fresh_r(code, python = file.path(folder, "no-python"))
  expect_match(output, "w.6.keras", fixed = TRUE)
  expect_no_match(output, "Error")
})

test_that("the printed columns have the data frame's names", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  put_six(folder)
  put(folder, "w.7.keras", 7, 0.75, batch = 3, monitor = "accuracy")
  found <- list_checkpoints(folder)
  head <- strsplit(trimws(capture.output(print(found))[[2]]), " +")[[1]]
  expect_identical(head, intersect(names(found), head))
})

test_that("no line of print() is wider than the console", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  long <- paste0(strrep("\u65e5\u672c\u8a9e", 20), ".keras")
  put(folder, long, 1, 0.5, batch = 3)
  put(folder, "w.keras", 2, 0.5, monitor = "val_top_k_categorical_accuracy")
  withr::local_options(width = 80)
  lines <- capture.output(print(list_checkpoints(folder)))
  expect_lte(max(nchar(lines[-1], "width")), 80)
})

test_that("print() drops columns and names them before it shortens a file's name", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  put(folder, "weights.01-0.70.hdf5", 1, 0.7, batch = 12)
  put(folder, "weights.02-0.65.hdf5", 2, 0.65, monitor = "val_accuracy", mode = "max")
  found <- list_checkpoints(folder)
  at <- function(width) {
    withr::local_options(width = width)
    capture.output(print(found))
  }
  expect_identical(grep("more column", at(120)), integer())
  for (width in c(80, 60, 50, 43)) {
    lines <- at(width)
    expect_match(lines, "weights.01-0.70.hdf5", fixed = TRUE, all = FALSE)
    expect_lte(max(nchar(lines[-1], "width")), width)
  }
  last <- function(width) utils::tail(at(width), 1)
  expect_identical(last(80), "1 more column: time")
  expect_identical(last(44), "3 more columns: monitor, bytes, time")
  expect_identical(last(43), "4 more columns: batch, monitor, bytes, time")
})

test_that("latest and best are NULL, with a message, if there is none", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  expect_message(latest <- latest_checkpoint(folder), "There is no checkpoint in")
  expect_null(latest)
  expect_message(best <- best_checkpoint(folder), "There is no checkpoint in")
  expect_null(best)
  put(folder, "w.keras", 1, 0.5)
  expect_message(
    best_checkpoint(folder, "los"),
    "has a value of 'los'; there are: loss, val_loss"
  )
})

test_that("best_checkpoint() compares by the given monitor and mode", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  put_six(folder)
  expect_identical(basename(best_checkpoint(folder)), "w.2.keras")
  expect_identical(basename(best_checkpoint(folder, mode = "max")), "w.6.keras")
  expect_identical(
    basename(best_checkpoint(folder, "val_loss", "max")), "w.6.keras"
  )
  put(folder, "a.keras", 7, 1, logs = list(odd = 3))
  expect_error(best_checkpoint(folder, "odd"), "`mode` must be 'min' or 'max' where")
  expect_identical(basename(best_checkpoint(folder, "odd", "min")), "a.keras")
})

test_that("wrong arguments are errors from the user's call", {
  expect_error(list_checkpoints(), "`folder` must be one non-empty string")
  expect_error(latest_checkpoint(3), "`folder` must be .*, not 3")
  expect_error(best_checkpoint(".", 3), "`monitor` must be one non-empty string")
  expect_error(
    best_checkpoint(".", mode = "auto"),
    "`mode` must be NULL, \"min\" or \"max\", not \"auto\"."
  )
  for (wrong in list(0, 1.5, "3", TRUE, NA, c(1, 2))) {
    expect_error(
      prune_checkpoints(".", keep_latest = wrong),
      "`keep_latest` must be NULL or a whole number >= 1, not "
    )
  }
  expect_error(prune_checkpoints(".", keep_best = 0), "`keep_best` must be ")
  expect_error(prune_checkpoints(".", keep_every = 0), "`keep_every` must be ")
  expect_error(
    prune_checkpoints(".", 1, dry_run = NA), "`dry_run` must be TRUE or FALSE"
  )
  skip_if_no_python()
  error <- expect_error(prune_checkpoints("."), "must say what to keep")
  expect_identical(error$call[[1]], quote(prune_checkpoints))
  for (look in c(list_checkpoints, latest_checkpoint, best_checkpoint)) {
    expect_error(look("missing"), "`folder` must be a folder that exists")
  }
})
