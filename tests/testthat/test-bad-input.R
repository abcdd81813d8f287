# tests/bad_input.json is the table of bad input for this file and for
# tests/python/test_bad_input.py: one table, two languages. A row has
#   python, r  the arguments, as one would type them; null if the language
#              cannot express them (`note` says why). <tmp> is the test's
#              folder, which is also the working directory.
#   function   the function to call, if it is not the callback's
#   when       "constructor": the call raises an error; "fit": fit() does, before
#              the first batch, unless the call already did; "save": fit() does,
#              at its first save; "good": neither does.
#   setup      what is in the way in <tmp> (see prepare() below)
#   says       parts of the message in both languages; says_r, says_python
#              in only one
#   holds      for good rows: attributes of the callback, as str() shows them
# A refused row leaves nothing behind.

rows <- jsonlite::read_json(file.path("..", "bad_input.json"))

# Without Keras, arguments that R itself refuses are still tested.
use_python_or_skip <- function(row, frame = parent.frame()) {
  if (row$when != "constructor") {
    skip_if_no_keras()
  } else if (!has_keras()) {
    the$for_r <- list(
      callback = function(...) {
        skip("this row is for Python to judge, and there is no Keras")
      },
      take_environment = function(variables) NULL
    )
    the$keras <- TRUE
    withr::defer(the$for_r <- the$keras <- NULL, envir = frame)
  }
}

prepare <- function(setup, tmp, frame = parent.frame()) {
  switch(
    if (is.null(setup)) "nothing" else setup,
    nothing = NULL,
    file_as_folder = file.create(file.path(tmp, "file")),
    folder_as_file = dir.create(file.path(tmp, "taken", "w.keras"), TRUE, TRUE),
    read_only_folder = make_read_only(tmp, frame)
  )
}

# Root can write to a folder without write permission, so this needs a file
# system that is read-only.
make_read_only <- function(tmp, frame) {
  run <- function(command, args) {
    suppressWarnings(system2(command, args, stdout = FALSE, stderr = FALSE))
  }
  if (Sys.info()[["effective_user"]] == "root") {
    run("mount", c("-t", "tmpfs", "-o", "ro", "tmpfs", shQuote(tmp)))
    withr::defer(run("umount", c("-l", shQuote(tmp))), envir = frame)
  } else {
    Sys.chmod(tmp, "0555")
    withr::defer(Sys.chmod(tmp, "0755"), envir = frame)
  }
  writable <- suppressWarnings(file.create(file.path(tmp, "probe")))
  skip_if(writable, "no read-only folder can be made here")
}

models <- new.env()

model_to_fit <- function() {
  if (is.null(models$tiny)) {
    models$tiny <- tiny_model(metrics = list("accuracy"))
  }
  models$tiny
}

construct <- function(row, tmp) {
  text <- gsub("<tmp>", gsub("\\", "/", tmp, fixed = TRUE), row$r, fixed = TRUE)
  called <- if (is.null(row$`function`)) {
    "callback_model_checkpoint"
  } else {
    row$`function`
  }
  eval(str2lang(sprintf("%s(%s)", called, text)))
}

fit_row <- function(row, checkpoint) {
  model <- model_to_fit()
  before <- model$get_weights()
  error <- tryCatch(
    {
      reticulate::py_capture_output(tiny_fit(model, checkpoint))
      NULL
    },
    error = identity
  )
  if (row$when == "fit") {
    expect_identical(model$get_weights(), before)
  }
  error
}

refused <- function(row, tmp) {
  checkpoint <- tryCatch(construct(row, tmp), error = identity)
  if (inherits(checkpoint, "error") || row$when == "constructor") {
    return(checkpoint)
  }
  fit_row(row, checkpoint)
}

for (row in Filter(function(row) !is.null(row$r), rows)) {
  test_that(paste("the row", row$id), {
    tmp <- withr::local_tempdir()
    use_python_or_skip(row)
    prepare(row$setup, tmp, environment())
    withr::local_dir(tmp)
    before <- listing(tmp)

    if (row$when == "good") {
      checkpoint <- construct(row, tmp)
      for (name in names(row$holds)) {
        held <- reticulate::py_get_attr(checkpoint, name)
        expect_identical(reticulate::py_str(held), row$holds[[name]])
      }
    } else {
      error <- refused(row, tmp)
      expect_s3_class(error, "error")
      for (words in c(row$says, row$says_r)) {
        expect_match(conditionMessage(error), words, fixed = TRUE)
      }
    }
    expect_identical(listing(tmp), before)
  })
}
