values_refused <- function(as, values, ...) {
  for (value in values) {
    expect_error(
      as(value, ..., arg = "a"),
      class = "modelcheckpoint_error",
      label = paste0("as(", deparse(value)[[1]], ")")
    )
  }
}

test_that("a path is one string, without a name or a class", {
  expect_identical(as_filepath("a/w.{epoch:02d}.h5"), "a/w.{epoch:02d}.h5")
  path <- structure(c(x = "w.keras"), class = c("fs_path", "character"))
  expect_identical(as_filepath(path), "w.keras")
  values_refused(
    as_filepath,
    list(NULL, NA, NA_character_, "", c("a", "b"), character(), 5, factor("a"),
         list("a"), print, as.raw(1))
  )
})

test_that("a path may begin with the home folder, and keeps its fields", {
  expect_identical(
    as_filepath("~/w.{epoch:02d}-{val_loss:.2f}.hdf5"),
    file.path(path.expand("~"), "w.{epoch:02d}-{val_loss:.2f}.hdf5")
  )
  expect_identical(as_filepath("a~b/{loss}~.h5"), "a~b/{loss}~.h5")
})

test_that("backslashes are slashes on Windows, and nowhere else", {
  path <- "C:\\runs\\w.{epoch:02d}.keras"
  expect_identical(
    as_filepath(path, windows = TRUE), "C:/runs/w.{epoch:02d}.keras"
  )
  expect_identical(as_filepath(path, windows = FALSE), path)
})

test_that("an address stays as it is, and so does a drive", {
  for (path in c("s3://b/{epoch}/x.h5", "gs://b/~x.h5", "C://x.keras")) {
    expect_identical(as_filepath(path), path)
  }
})

test_that("a path in another encoding arrives as UTF-8", {
  latin1 <- iconv("mod\u00e8le.keras", "UTF-8", "latin1")
  expect_identical(Encoding(as_filepath(latin1)), "UTF-8")
  expect_identical(as_filepath(latin1), "mod\u00e8le.keras")
})

test_that("a string is one string that is not empty", {
  expect_identical(as_string(c(a = "val_loss")), "val_loss")
  values_refused(as_string, list(NULL, NA, "", c("a", "b"), 1, TRUE))
})

test_that("a flag is TRUE or FALSE", {
  expect_identical(as_flag(TRUE), TRUE)
  expect_identical(as_flag(c(a = FALSE)), FALSE)
  values_refused(as_flag, list(NA, NULL, "yes", 1, 0L, c(TRUE, FALSE)))
})

test_that("verbose is 0, 1 or a flag", {
  expect_identical(as_verbose(0), 0L)
  expect_identical(as_verbose(1L), 1L)
  expect_identical(as_verbose(TRUE), 1L)
  values_refused(as_verbose, list(2, -1, 0.5, NA, NA_real_, NULL, "1", c(0, 1)))
})

test_that("a choice is the default vector, one of its values, or an abbreviation", {
  modes <- c("auto", "min", "max")
  expect_identical(as_choice(modes, modes), "auto")
  expect_identical(as_choice("max", modes), "max")
  expect_identical(as_choice("mi", modes), "min")
  expect_identical(as_choice("a", modes), "auto")
  values_refused(
    as_choice,
    list("m", "", "upwards", "MIN", NA, NA_character_, NULL, 1, c("min", "max"),
         factor("min")),
    choices = modes
  )
})

test_that("a period is a whole number, or 1 if it is NULL", {
  expect_identical(as_period(NULL), 1L)
  expect_identical(as_period(2), 2L)
  expect_identical(as_period(3L), 3L)
  expect_identical(as_period(1e5), 100000L)
  values_refused(
    as_period,
    list(0, -1, 1.5, NA, NA_real_, NaN, Inf, TRUE, "5", "epoch", c(1, 2),
         list(1))
  )
})

test_that("save_freq is \"epoch\" or a whole number, and is never truncated", {
  expect_identical(as_save_freq("epoch"), "epoch")
  expect_identical(as_save_freq(1000), 1000L)
  expect_identical(as_save_freq(1000L), 1000L)
  expect_identical(as_save_freq(1e5), 100000L)
  expect_identical(as_save_freq(2^31 - 1), .Machine$integer.max)
  expect_identical(as_save_freq(2^31), 2^31)
  expect_identical(as_save_freq(2^53), 2^53)
  values_refused(
    as_save_freq,
    list(0, -1, 2.5, 1 + 1e-12, TRUE, NA, NA_integer_, NaN, Inf, 2^53 + 2, NULL,
         "epochs", "ep", "", "5", c(1, 2), c("epoch", "epoch"), 2 + 0i,
         Sys.Date(), as.difftime(1, units = "secs"), factor("epoch"), list(5))
  )
})

test_that("an integer64 is refused, because as a double it is another number", {
  values_refused(as_save_freq, list(structure(4.9e-324, class = "integer64")))
})

test_that("a threshold is one finite number or NULL", {
  expect_null(as_threshold(NULL))
  expect_identical(as_threshold(1L), 1)
  expect_identical(as_threshold(-0.5), -0.5)
  values_refused(as_threshold, list(NaN, Inf, -Inf, NA, "x", TRUE, c(1, 2)))
})

test_that("a function is any function, or NULL", {
  expect_null(as_function(NULL))
  expect_identical(as_function(print), print)
  expect_identical(as_function(sum), sum)
  values_refused(
    as_function, list("print", NA, TRUE, 1, quote(print), ~ .x, list(print))
  )
})

test_that("whole numbers of any size become Python integers", {
  skip_if_no_python()
  for (shown in c("2147483648", "1099511627776", "9007199254740992")) {
    number <- as_python_int(as.double(shown))
    expect_s3_class(number, "python.builtin.int")
    expect_identical(reticulate::py_str(number), shown)
  }
})

test_that("an error names the argument, the rule, what came, and the way out", {
  expect_snapshot(cran = TRUE, {
    said(callback_model_checkpoint())
    said(callback_model_checkpoint(NA))
    said(callback_model_checkpoint(c("w.{epoch:02d}.h5", "b.h5")))
    said(callback_model_checkpoint(sprintf("w.{epoch}.%03d.h5", 1:100)))
    said(callback_model_checkpoint(mtcars))
    said(callback_model_checkpoint(print))
    said(callback_model_checkpoint("w.h5", monitor = ""))
    said(callback_model_checkpoint("w.h5", verbose = 2))
    said(callback_model_checkpoint("w.h5", save_best_only = NA))
    said(callback_model_checkpoint("w.h5", save_weights_only = "{yes}"))
    said(callback_model_checkpoint("w.h5", mode = "m"))
    said(callback_model_checkpoint("w.h5", mode = NULL))
    said(callback_model_checkpoint("w.h5", period = 1.5))
    said(callback_model_checkpoint("w.h5", period = "epoch"))
    said(callback_model_checkpoint("w.h5", save_freq = 2.5))
    said(callback_model_checkpoint("w.h5", save_freq = TRUE))
    said(callback_model_checkpoint("w.h5", save_freq = "epochs"))
    said(callback_model_checkpoint("w.h5", save_freq = -1L))
    said(callback_model_checkpoint("w.h5", save_freq_unit = "steps"))
    said(callback_model_checkpoint("w.h5", initial_value_threshold = NaN))
    said(callback_model_checkpoint("w.h5", on_error = "ignore"))
    said(callback_model_checkpoint("w.h5", background = NA))
    said(callback_model_checkpoint("w.h5", on_saved = "print"))
    said(callback_model_checkpoint("w.{epoch}.h5", keep_latest = 0))
    said(callback_model_checkpoint("w.{epoch}.h5", keep_best = TRUE))
    said(callback_model_checkpoint("w.{epoch}.h5", keep_every = 1.5))
    said(callback_model_checkpoint("w.{epoch}.h5", save_seconds = -1))
    said(callback_model_checkpoint("w.{epoch}.h5", save_seconds = Sys.Date()))
    said(callback_model_checkpoint("w.{epoch}.h5", save_on_exit = NA))
  })
})

test_that("an error comes from the user's call, however it was made", {
  call_of <- function(expr) conditionCall(tryCatch(expr, error = identity))
  expect_identical(
    call_of(callback_model_checkpoint("w.h5", verbose = 3)),
    quote(callback_model_checkpoint("w.h5", verbose = 3))
  )
  expect_identical(
    call_of(do.call("callback_model_checkpoint", list("w.h5", mode = "x"))),
    quote(callback_model_checkpoint("w.h5", mode = "x"))
  )
})
