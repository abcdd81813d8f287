# Each case needs its own R session, in which no Python is running yet.

# The message of the first use.
first_use <- function(python, lib = package_library(), before = NULL) {
  fresh_r(python = python, lib = lib, c(
    "library(modelcheckpoint)",
    before,
    "seconds <- system.time(error <- tryCatch(",
    "  callback_model_checkpoint(\"w.{epoch:02d}.keras\"), error = identity",
    "))[[\"elapsed\"]]",
    "stopifnot(inherits(error, \"modelcheckpoint_no_python\"), seconds < 60)",
    "cat(deparse(conditionCall(error)), conditionMessage(error), sep = \"\\n\")"
  ))
}

the_call <- "callback_model_checkpoint(\"w.{epoch:02d}.keras\")"

# A Python with only its standard library.
bare_python <- function(frame = parent.frame()) {
  skip_if_no_python()
  folder <- withr::local_tempdir(.local_envir = frame)
  base <- Sys.getenv("RETICULATE_PYTHON")
  system2(base, c("-m", "venv", "--without-pip", shQuote(folder)))
  python <- file.path(folder, c("bin/python", "Scripts/python.exe"))
  python[file.exists(python)]
}

site_packages <- function(python) {
  system2(
    python,
    c("-c", shQuote("import sysconfig; print(sysconfig.get_path('purelib'))")),
    stdout = TRUE
  )
}

test_that("loading the package starts no Python", {
  python <- Sys.getenv("RETICULATE_PYTHON")
  output <- fresh_r(python = python, c(
    "library(modelcheckpoint)",
    "invisible(tryCatch(",
    "  callback_model_checkpoint(\"w.keras\", period = 0), error = identity",
    "))",
    "cat(reticulate::py_available(initialize = FALSE))"
  ))
  expect_identical(output, "FALSE")
})

test_that("the example neither starts nor looks for a Python", {
  page <- file.path(
    getNamespaceInfo("modelcheckpoint", "path"),
    "man", "callback_model_checkpoint.Rd"
  )
  code <- if (file.exists(page)) {
    sprintf("page <- \"%s\"", normalizePath(page, "/"))
  } else {
    c(
      "pages <- tools::Rd_db(\"modelcheckpoint\")",
      "page <- pages[[\"callback_model_checkpoint.Rd\"]]"
    )
  }
  output <- fresh_r(python = Sys.getenv("RETICULATE_PYTHON"), c(
    "library(modelcheckpoint)",
    code,
    "tools::Rd2ex(page, script <- tempfile())",
    "source(script)",
    "cat(reticulate::py_available(initialize = FALSE))"
  ))
  expect_identical(output, "FALSE")
})

test_that("without a Python, the first use says what to do", {
  output <- first_use(file.path(tempdir(), "no-python-here"))
  expect_match(output, the_call, fixed = TRUE)
  expect_match(output, "R cannot find a usable Python. Install Python with")
  expect_match(output, "RETICULATE_PYTHON to a Python that has Keras")
})

test_that("without Keras, the first use says what to do", {
  python <- bare_python()
  output <- first_use(python)
  expect_match(output, the_call, fixed = TRUE)
  expect_match(output, "There is no Keras in the Python that R uses, ")
  expect_match(output, basename(dirname(dirname(python))), fixed = TRUE)
  expect_match(output, "pip install keras tensorflow", fixed = TRUE)
})

test_that("a Keras that cannot be imported is quoted", {
  python <- bare_python()
  keras <- file.path(site_packages(python), "keras")
  dir.create(keras)
  writeLines("import the_backend", file.path(keras, "__init__.py"))
  output <- first_use(python)
  expect_match(output, "Keras cannot be imported in the Python that R uses")
  expect_match(output, "Python says: No module named 'the_backend'")
})

test_that("a Keras without its backend says when to choose one", {
  python <- bare_python()
  keras <- file.path(site_packages(python), "keras")
  dir.create(keras)
  writeLines("import tensorflow", file.path(keras, "__init__.py"))
  output <- first_use(python)
  expect_match(output, the_call, fixed = TRUE)
  expect_match(output, "Keras is set to use tensorflow, which is not installed in")
  expect_match(output, "before you create the first callback \\(`keras3::use_backend")
})

test_that("another Python package of this name is named", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  other <- file.path(folder, "modelcheckpoint", "__init__.py")
  dir.create(dirname(other))
  writeLines("", other)
  imported <- c(
    sprintf(
      "reticulate::py_run_string(\"import sys; sys.path.insert(0, '%s')\")",
      normalizePath(folder, "/")
    ),
    "other <- reticulate::import(\"modelcheckpoint\")"
  )
  output <- first_use(Sys.getenv("RETICULATE_PYTHON"), before = imported)
  expect_match(output, the_call, fixed = TRUE)
  expect_match(output, "Python has already imported another package called model")
  expect_match(output, other, fixed = TRUE)
})

# The message of the first use with this NumPy and without Keras. Only NumPy's
# version is read.
first_use_with_numpy <- function(version, before = NULL) {
  python <- bare_python()
  numpy <- file.path(site_packages(python), "numpy")
  dir.create(numpy)
  writeLines(
    sprintf("__version__ = '%s'", version), file.path(numpy, "__init__.py")
  )
  first_use(python, before = before)
}

test_that("NumPy 2 gives one clear sentence if reticulate is too old for it", {
  too_old <- utils::packageVersion("reticulate") < "1.39"
  # Before Python was started, and after.
  for (before in list(NULL, "invisible(reticulate::py_config())")) {
    output <- first_use_with_numpy("2.1.3", before)
    expect_match(output, the_call, fixed = TRUE)
    if (too_old) {
      expect_match(output, "NumPy 2.1.3 needs reticulate 1.39", fixed = TRUE)
      expect_match(output, "pip install \"numpy<2\"", fixed = TRUE)
    } else {
      expect_match(output, "There is no Keras in the Python that R uses")
      expect_no_match(output, "needs reticulate")
    }
  }
})

test_that("an older NumPy is not a reason to stop", {
  output <- first_use_with_numpy("1.26.4")
  expect_match(output, "There is no Keras in the Python that R uses")
  expect_no_match(output, "needs reticulate")
})

says_what_is_missing <- function(output) {
  expect_match(output, the_call, fixed = TRUE)
  expect_match(output, "lacks its Python half")
  version <- utils::packageVersion("modelcheckpoint")
  tarball <- paste0("modelcheckpoint_", version, ".tar.gz")
  expect_match(output, tarball, fixed = TRUE)
}

test_that("an installation without its Python half says so", {
  lib <- withr::local_tempdir()
  whole <- file.path(package_library(), "modelcheckpoint")
  file.copy(whole, lib, recursive = TRUE)
  half <- file.path(lib, "modelcheckpoint", "python", "modelcheckpoint")
  unlink(half, recursive = TRUE)
  says_what_is_missing(first_use("", lib))
  # As Git writes a symbolic link on systems without them.
  writeLines("../../python/modelcheckpoint", half)
  says_what_is_missing(first_use("", lib))
  unlink(dirname(half), recursive = TRUE)
  says_what_is_missing(first_use("", lib))
})

test_that("a clone without symbolic links says what is missing", {
  root <- normalizePath(file.path("..", ".."))
  skip_if_not(
    file.exists(file.path(root, ".git")) && nzchar(Sys.which("git")),
    "this is no checkout"
  )
  clone <- file.path(withr::local_tempdir(), "clone")
  git <- function(...) system2("git", c(...), stdout = TRUE, stderr = TRUE)
  suppressWarnings(git(
    "clone", "--quiet", "-c", "core.symlinks=false",
    shQuote(root), shQuote(clone)
  ))
  skip_if_not(
    file.exists(file.path(clone, "inst", "python", "modelcheckpoint")),
    "nothing is committed yet"
  )
  lib <- file.path(withr::local_tempdir(), "library")
  install_package(clone, lib)
  says_what_is_missing(first_use("", lib))
})
