# Checkpoints that are folders: one run, and everything that can be done with it.

test_that("a run of folders is listed, verified, fetched, resumed and pruned", {
  skip_if_no_orbax()
  withr::local_dir(withr::local_tempdir())
  unbroken <- adam_fit("u.{epoch}.orbax", 5L)
  unlink("modelcheckpoint.jsonl")
  unlink("u.*", recursive = TRUE)

  saved <- list()
  first <- adam_fit(
    "w.{epoch}.orbax", 3L,
    keep_latest = 2, on_saved = function(record) saved <<- c(saved, list(record))
  )
  # Orbax prints nothing in the progress bar, and no problem was reported.
  expect_no_match(first$output, "rbax")
  expect_length(first$checkpoint$problems, 0)
  expect_identical(vapply(saved, `[[`, "", "path"), sprintf("w.%d.orbax", 1:3))
  expect_identical(saved[[1]]$format, "orbax")
  expect_identical(dir(), c("modelcheckpoint.jsonl", "w.2.orbax", "w.3.orbax"))

  listed <- list_checkpoints(".")
  sizes <- vapply(listed$name, FUN.VALUE = 1, function(name) {
    sum(file.size(list.files(name, recursive = TRUE, full.names = TRUE)))
  })
  expect_equal(as.numeric(listed$bytes), unname(sizes))
  last <- file.path(normalizePath("."), "w.3.orbax")
  expect_identical(latest_checkpoint("."), last)
  expect_identical(best_checkpoint("."), last)
  expect_identical(verify_checkpoints(".")$status, c("good", "good"))
  points <- curve_of(listed)
  expect_identical(points$name, c(NA, "w.2.orbax", "w.3.orbax"))
  expect_identical(attr(points, "legend")$label[1:2], c("kept", "deleted or replaced"))

  # One bit in any of its files.
  inner <- list.files("w.2.orbax", recursive = TRUE, full.names = TRUE)
  for (path in inner[file.size(inner) > 0]) {
    flip_bit(path)
    expect_identical(verify_checkpoints(".")$status, c("damaged", "good"))
    flip_bit(path)
  }
  flip_bit(inner[[1]])
  expect_error(restore_checkpoint(adam_model(), "w.2.orbax"), "is damaged: its crc32")
  expect_error(fetch_checkpoint("w.2.orbax", "to"), "is damaged: it has")
  flip_bit(inner[[1]])

  copy <- fetch_checkpoint("w.3.orbax", "to")
  expect_identical(basename(copy), "w.3.orbax")
  restored <- adam_model()
  # The copy has no journal next to it; the folder's own file has.
  expect_null(restore_checkpoint(restored, copy)$epochs_done)
  expect_identical(restored$get_weights(), first$model$get_weights())
  restored <- adam_model()
  expect_identical(restore_checkpoint(restored, "w.3.orbax")$epochs_done, 3L)
  expect_identical(restored$get_weights(), first$model$get_weights())
  expect_identical(optimizer_state(restored), optimizer_state(first$model))

  resumed <- adam_fit("w.{epoch}.orbax", 5L, resume = TRUE)
  expect_match(resumed$output, "resumed from w.3.orbax, saved after epoch 3")
  expect_identical(resumed$epochs, 3:4)
  expect_identical(resumed$model$get_weights(), unbroken$model$get_weights())
  expect_identical(
    optimizer_state(resumed$model), optimizer_state(unbroken$model)
  )

  expect_message(
    gone <- prune_checkpoints(".", keep_latest = 1, dry_run = FALSE),
    "Deleted 3 of 4 checkpoints"
  )
  expect_identical(gone$name, sprintf("w.%d.orbax", 2:4))
  expect_identical(dir(), c("modelcheckpoint.jsonl", "to", "w.5.orbax"))
  expect_identical(verify_checkpoints(".")$status, "good")
})

test_that("the best weights are restored, and plain Keras loads the folder", {
  skip_if_no_orbax()
  withr::local_dir(withr::local_tempdir())
  run <- adam_fit(
    "w.{epoch}.orbax", 3L,
    mode = "max", keep_latest = 1, restore_best = TRUE
  )
  expect_identical(basename(best_checkpoint(".")), "w.1.orbax")
  expect_identical(list_checkpoints(".")$name, c("w.1.orbax", "w.3.orbax"))
  best <- adam_model()
  restore_checkpoint(best, "w.1.orbax")
  expect_identical(run$model$get_weights(), best$get_weights())
  keras <- reticulate::import("keras")
  skip_if_not(
    reticulate::py_has_attr(keras$callbacks, "OrbaxCheckpoint"),
    "this Keras loads no such folder"
  )
  loaded <- keras$models$load_model(best_checkpoint("."))
  expect_identical(loaded$get_weights(), best$get_weights())
})

test_that("weights and optimizer alone are a folder, too", {
  skip_if_no_orbax()
  withr::local_dir(withr::local_tempdir())
  run <- adam_fit("{epoch}.orbax", 1L, save_weights_only = TRUE)
  expect_identical(list_checkpoints(".")$format, "orbax-weights")
  expect_false(dir.exists("1.orbax/0/model_config"))
  other <- adam_model()
  expect_true(restore_checkpoint(other, "1.orbax")$optimizer)
  expect_identical(other$get_weights(), run$model$get_weights())
})

test_that("without Orbax an error says how R users install it", {
  skip_if_no_keras()
  skip_if(keras_before("3.4"), "this needs Keras 3.4")
  withr::local_dir(withr::local_tempdir())
  # Python then treats the package as missing.
  reticulate::py_run_string(paste0(
    "import sys\n",
    "orbax = sys.modules.get('orbax.checkpoint')\n",
    "sys.modules['orbax.checkpoint'] = None"
  ))
  withr::defer(reticulate::py_run_string(paste0(
    "del sys.modules['orbax.checkpoint']\n",
    "if orbax: sys.modules['orbax.checkpoint'] = orbax"
  )))
  way_out <- paste0(
    "for which the package orbax-checkpoint is missing: install it there by ",
    "`reticulate::py_install(.*\"orbax-checkpoint\".*)`$"
  )
  expect_error(callback_model_checkpoint("{epoch}.orbax"), way_out)
  dir.create("1.orbax/0", recursive = TRUE)
  expect_error(restore_checkpoint(tiny_model(), "1.orbax"), way_out)
})

test_that("an old reticulate does not get a NumPy that it cannot use", {
  said <- "pip install \"modelcheckpoint[orbax]\""
  expect_identical(
    in_r_words(said, numeric_version("1.38")),
    "install it there by `reticulate::py_install(c(\"orbax-checkpoint\", \"numpy<2\"))`"
  )
  expect_identical(
    in_r_words(said, numeric_version("1.39")),
    "install it there by `reticulate::py_install(\"orbax-checkpoint\")`"
  )
})

test_that("Orbax and JAX take over no signal, and leave no Python thread", {
  skip_if_no_orbax()
  skip_if_not(file.exists("/proc/self/status"), "this is told by Linux alone")
  # A separate session, in which neither was loaded before.
  output <- fresh_r(python = Sys.getenv("RETICULATE_PYTHON"), c(
    "library(modelcheckpoint)",
    "signals <- function() grep('^Sig(Cgt|Ign|Blk)', readLines('/proc/self/status'),",
    "  value = TRUE)",
    "keras <- reticulate::import('keras')",
    "threading <- reticulate::import('threading')",
    "model <- keras$Sequential(list(keras$layers$Dense(1L)))",
    "model$compile(optimizer = 'sgd', loss = 'mse')",
    "x <- matrix(1, 4, 2); y <- matrix(1, 4, 1)",
    "invisible(model$fit(x, y, verbose = 0L))",
    "before <- signals()",
    "folder <- tempfile()",
    "checkpoint <- callback_model_checkpoint(file.path(folder, '{epoch}.orbax'))",
    "invisible(model$fit(x, y, epochs = 2L, verbose = 0L,",
    "  validation_data = list(x, y), callbacks = list(checkpoint)))",
    "cat('\\nsignals', identical(before, signals()))",
    "cat('\\nthreads', length(threading$enumerate()))",
    "cat('\\nforks', unlist(parallel::mclapply(1:2, identity)))",
    "cat('\\nsaved', verify_checkpoints(folder)$status)"
  ))
  expect_match(output, "\nsignals TRUE\nthreads 1\nforks 1 2\nsaved good good")
})

test_that("a session that ends waits for the folder that is being written", {
  skip_if_no_orbax()
  folder <- withr::local_tempdir()
  # Large enough to be written while training goes on.
  output <- fresh_r(python = Sys.getenv("RETICULATE_PYTHON"), c(
    "library(modelcheckpoint)",
    "keras <- reticulate::import('keras')",
    "broken <- reticulate::py_run_string(paste(sep = '\\n',",
    "  'import keras',",
    "  'class Broken(keras.callbacks.Callback):',",
    "  '    def on_epoch_begin(self, epoch, logs=None):',",
    "  '        if epoch == 2: raise RuntimeError(\"broken\")'",
    "))$Broken()",
    "model <- keras$Sequential(list(",
    "  keras$layers$Dense(2000L), keras$layers$Dense(2000L), keras$layers$Dense(1L)",
    "))",
    "model$compile(optimizer = 'adam', loss = 'mse')",
    sprintf("path <- file.path(\"%s\", '{epoch}.orbax')", normalizePath(folder, "/")),
    "checkpoint <- callback_model_checkpoint(path, monitor = 'loss')",
    "try(model$fit(matrix(1, 4, 100), matrix(1, 4, 1), epochs = 4L, verbose = 0L,",
    "  callbacks = list(checkpoint, broken)))"
  ))
  expect_match(output, "broken")
  found <- verify_checkpoints(folder)
  expect_identical(found$path, c("1.orbax", "2.orbax"))
  expect_identical(found$status, c("good", "good"))
})
