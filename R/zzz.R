# The Python half is imported at first use, not before: loading the package
# neither starts nor downloads Python, nor decides which one is used.

the <- new.env(parent = emptyenv())

.onLoad <- function(libname, pkgname) {
  # From reticulate 1.41 on, a session without a configured Python gets one with
  # the packages that are required here. keras is required by its bare name, as
  # keras3 does: a version or a backend could contradict what keras3 was told to
  # use. Once Python runs, it is too late to require anything (and reticulate
  # would start a download).
  reticulate <- asNamespace("reticulate")
  if (
    exists("py_require", reticulate) &&
      !reticulate::py_available(initialize = FALSE)
  ) {
    get("py_require", reticulate)("keras")
  }
}

# The result of `question`, a function that is called with the Python module for
# R; an error comes from the user's call.
ask_python <- function(call, question, keras = FALSE) {
  for_r <- python_for_r(call)
  if (keras && !isTRUE(the$keras)) {
    check_keras(call)
    the$keras <- TRUE
  }
  hand_on_environment(for_r)
  tryCatch(question(for_r), error = function(e) abort(python_message(e), call))
}

# Python's os.environ is a copy from the moment when Python started, so it lacks
# what Sys.setenv() has set since then.
hand_on_environment <- function(for_r) {
  all <- Sys.getenv()
  own <- all[grepl("^(AWS|GOOGLE|AZURE|MODELCHECKPOINT)_", names(all))]
  if (!identical(own, the$environment)) {
    # A named list becomes a dict.
    for_r$take_environment(as.list(own))
    the$environment <- own
  }
}

python_for_r <- function(call) {
  if (is.null(the$for_r)) {
    path <- shipped_python(call)
    check_numpy(call)
    the$for_r <- tryCatch(
      {
        python <- reticulate::import_from_path("modelcheckpoint", path = path)
        check_own(python, path, call)
        reticulate::import("modelcheckpoint.for_r")
      },
      modelcheckpoint_no_python = stop,
      error = function(e) abort_no_keras(python_message(e), call)
    )
    reg.finalizer(the, function(e) finish_saves(e$for_r), onexit = TRUE)
  }
  the$for_r
}

# When R ends, it ends Python's threads wherever they are, and Python does not
# run its own exit handlers. So R waits for the save in progress.
finish_saves <- function(for_r) {
  if (reticulate::py_available(initialize = FALSE)) {
    # An error here could only hide what ended R. If that was Ctrl-C, what is
    # left of it can cut the first wait short.
    for (attempt in 1:2) {
      waited <- try(for_r$wait_for_all(), silent = TRUE)
      if (!inherits(waited, "try-error")) {
        break
      }
    }
  }
}

shipped_python <- function(
  call,
  path = system.file("python", package = "modelcheckpoint")
) {
  init <- file.path(path, "modelcheckpoint", "__init__.py")
  if (!nzchar(path) || !file.exists(init)) {
    abort_python(
      call,
      "This installation of the R package modelcheckpoint lacks its Python ",
      "half: it was installed from a checkout without symbolic links ",
      "(as Git makes it on Windows). Install the built package instead: the ",
      "file modelcheckpoint_", utils::packageVersion("modelcheckpoint"),
      ".tar.gz that `R CMD build` makes where symbolic links work."
    )
  }
  path
}

# An old reticulate fails with "incompatible NumPy binary version" only after it
# has started Python, which cannot be undone in this session. So the version is
# looked up before, in a separate Python.
check_numpy <- function(call) {
  if (utils::packageVersion("reticulate") >= "1.39") {
    return()
  }
  numpy <- tryCatch(python_config()$numpy$version, error = function(e) NULL)
  if (!is.null(numpy) && numpy >= "2") {
    abort_python(
      call,
      "NumPy ", as.character(numpy), " needs reticulate 1.39 or newer; this ",
      "is reticulate ", as.character(utils::packageVersion("reticulate")),
      ". Install a newer reticulate (`install.packages(\"reticulate\")`), or ",
      "an older NumPy (`pip install \"numpy<2\"`), and restart R."
    )
  }
}

python_config <- function() {
  if (reticulate::py_available(initialize = FALSE)) {
    reticulate::py_config()
  } else {
    reticulate::py_discover_config("keras")
  }
}

# Python keeps the first package of a name that it has imported. A package
# installed by pip may be this one, in this version.
check_own <- function(python, path, call) {
  attribute <- function(name) {
    tryCatch(
      as.character(reticulate::py_get_attr(python, name)),
      error = function(e) NULL
    )
  }
  file <- attribute("__file__")
  version <- as.character(utils::packageVersion("modelcheckpoint"))
  shipped <- file.path(normalizePath(path, "/"), "")
  if (
    identical(attribute("__version__"), version) ||
      isTRUE(startsWith(normalizePath(file, "/", FALSE), shipped))
  ) {
    return()
  }
  abort_python(
    call,
    "Python has already imported another package called modelcheckpoint",
    if (length(file) == 1) paste0(", ", file),
    ", so it cannot import the one in this R package (", version, "). ",
    "Restart R, and use this package before the other one is imported, or use ",
    "only one of them."
  )
}

check_keras <- function(call) {
  tryCatch(
    reticulate::import("keras", convert = FALSE),
    error = function(e) abort_no_keras(python_message(e), call)
  )
}

abort_no_keras <- function(reason, call) {
  if (!reticulate::py_available(initialize = FALSE)) {
    abort_python(
      call,
      "R cannot find a usable Python. Install Python with Keras ",
      "(`install.packages(\"keras3\"); keras3::install_keras()`), or set ",
      "RETICULATE_PYTHON to a Python that has Keras, and restart R. ",
      "reticulate says: ", sub("\n.*", "", reason)
    )
  }
  python <- reticulate::py_config()$python
  if (grepl("No module named '?keras'?$", reason)) {
    abort_python(
      call,
      "There is no Keras in the Python that R uses, ", python, ". Install it ",
      "there (`pip install keras tensorflow`), or set RETICULATE_PYTHON to a ",
      "Python that has Keras, and restart R."
    )
  }
  backend <- "No module named '?(tensorflow|jax|torch)'?$"
  if (grepl(backend, reason)) {
    name <- sub(paste0("^.*", backend), "\\1", reason)
    abort_python(
      call,
      "Keras is set to use ", name, ", which is not installed in the Python that ",
      "R uses, ", python, ". Restart R and choose a backend before you create the ",
      "first callback (`keras3::use_backend(\"jax\")`), or install ", name,
      " there (`pip install ", name, "`)."
    )
  }
  abort_python(
    call,
    "Keras cannot be imported in the Python that R uses, ", python, ". ",
    "Install what is missing there (Keras needs TensorFlow, JAX or PyTorch), ",
    "and restart R. Python says: ", reason
  )
}

abort_python <- function(call, ...) {
  abort(paste0(...), call, class = "modelcheckpoint_no_python")
}

# The sentence of a Python error, without its class and number, which mean
# nothing to R users, and without reticulate's advice on the traceback.
python_message <- function(e) {
  text <- cli::ansi_strip(conditionMessage(e))
  text <- sub("^[A-Za-z_.]*(Error|Exception): ", "", text)
  text <- sub("^\\[Errno -?[0-9]+\\] ", "", text)
  advice <- "\n(Detailed traceback|Run `?reticulate::py_last_error).*$"
  in_r_words(trimws(sub(advice, "", text)))
}

# How to install a missing Python package from R.
in_r_words <- function(text, reticulate = utils::packageVersion("reticulate")) {
  # Orbax brings JAX, and JAX brings a NumPy that check_numpy() refuses.
  orbax <- c("\"orbax-checkpoint\"", "c(\"orbax-checkpoint\", \"numpy<2\")")
  packages <- c(
    remote = "\"obstore\"",
    orbax = if (reticulate >= "1.39") orbax[[1]] else orbax[[2]]
  )
  for (extra in names(packages)) {
    python <- sprintf("pip install \"modelcheckpoint[%s]\"", extra)
    r <- sprintf("install it there by `reticulate::py_install(%s)`", packages[[extra]])
    text <- sub(python, r, text, fixed = TRUE)
  }
  text
}
