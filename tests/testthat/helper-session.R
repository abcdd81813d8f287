# Separate R sessions, in which no Python runs yet.

# The installed package: the one under test or, after load_all(), one installed now.
installed <- new.env()

package_library <- function() {
  if (is.null(installed$lib)) {
    root <- getNamespaceInfo("modelcheckpoint", "path")
    if (file.exists(file.path(root, "Meta", "package.rds"))) {
      installed$lib <- dirname(root)
    } else {
      installed$lib <- tempfile("library-")
      install_package(root, installed$lib)
    }
  }
  installed$lib
}

install_package <- function(source, lib) {
  dir.create(lib)
  status <- system2(
    file.path(R.home("bin"), "R"),
    c("CMD", "INSTALL", "--no-docs", "--no-test-load",
      paste0("--library=", shQuote(lib)), shQuote(source)),
    stdout = FALSE, stderr = FALSE
  )
  stopifnot(status == 0)
}

# Runs `code` in a fresh R session with this package and Python; returns its output.
fresh_r <- function(code, python = "", lib = package_library()) {
  script <- withr::local_tempfile(lines = code, fileext = ".R")
  withr::local_envvar(
    R_LIBS = paste(c(lib, .libPaths()), collapse = .Platform$path.sep),
    RETICULATE_PYTHON = if (nzchar(python)) python else NA,
    PYTHONPATH = NA, VIRTUAL_ENV = NA, R_TESTS = NA
  )
  rscript <- file.path(R.home("bin"), "Rscript")
  output <- suppressWarnings(system2(
    rscript, c("--vanilla", shQuote(script)),
    stdout = TRUE, stderr = TRUE, timeout = 120
  ))
  paste(output, collapse = "\n")
}
