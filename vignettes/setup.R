# What each vignette does first: which of its examples can run on this machine?
#
# Those with Keras run where RETICULATE_PYTHON names a Python that has Keras 3, as the
# tests do, and those that need more (`needs`) where that is there, too.
# Elsewhere they are shown and not run. MODELCHECKPOINT_DOCUMENTS=all, as `make docs`
# has it, makes an error of an example that cannot run.

has_python <- local({
  python <- Sys.getenv("RETICULATE_PYTHON")
  nzchar(python) && file.exists(python)
})

if (has_python) {
  Sys.setenv(
    # What Python prints becomes a part of the page.
    RETICULATE_REMAP_OUTPUT_STREAMS = "1",
    # The Python package that the R package ships, also for what a shell runs.
    PYTHONPATH = system.file("python", package = "modelcheckpoint"),
    PATH = paste(
      dirname(Sys.getenv("RETICULATE_PYTHON")), Sys.getenv("PATH"),
      sep = .Platform$path.sep
    ),
    # Less of what TensorFlow says of itself.
    TF_CPP_MIN_LOG_LEVEL = "3", TF_ENABLE_ONEDNN_OPTS = "0",
    # Wide enough for a path; a table stays below the width of a page.
    COLUMNS = "80", MPLBACKEND = "agg"
  )
}

has_keras <- has_python && reticulate::py_module_available("keras") &&
  reticulate::import("keras")$`__version__` >= "3"
has_matplotlib <- has_keras && reticulate::py_module_available("matplotlib")
has_pandas <- has_keras && reticulate::py_module_available("pandas")
has_command <- has_keras && .Platform$OS.type == "unix" &&
  nzchar(Sys.which("modelcheckpoint")) &&
  system2("modelcheckpoint", "--version", stdout = FALSE, stderr = FALSE) == 0
rclone <- file.path(dirname(Sys.getenv("RETICULATE_PYTHON")), "rclone")
has_store <- has_command && file.exists(rclone) &&
  reticulate::py_module_available("obstore")

if (Sys.getenv("MODELCHECKPOINT_DOCUMENTS") == "all") {
  stopifnot(has_keras, has_matplotlib, has_pandas, has_command, has_store)
}

# Starts an S3 server over a folder, on this machine, and sets the variables by which
# what follows finds it. It ends with this session.
start_store <- function(buckets) {
  for (bucket in buckets) {
    dir.create(file.path(tempdir(), "store", bucket), recursive = TRUE)
  }
  socket <- reticulate::import("socket")$create_server(reticulate::tuple("127.0.0.1", 0L))
  port <- socket$getsockname()[[2]]
  socket$close()
  Sys.setenv(
    AWS_ACCESS_KEY_ID = "vignette-key", AWS_SECRET_ACCESS_KEY = "vignette-secret",
    AWS_ENDPOINT_URL = paste0("http://127.0.0.1:", port), AWS_ALLOW_HTTP = "true",
    AWS_REGION = "us-east-1"
  )
  subprocess <- reticulate::import("subprocess")
  server <- subprocess$Popen(
    list(
      rclone, "serve", "s3", "--auth-key=vignette-key,vignette-secret",
      paste0("--addr=127.0.0.1:", port), file.path(tempdir(), "store")
    ),
    stdout = subprocess$DEVNULL, stderr = subprocess$DEVNULL
  )
  reg.finalizer(globalenv(), function(e) server$kill(), onexit = TRUE)
  for (attempt in 1:200) {
    answers <- tryCatch(
      {
        close(socketConnection("127.0.0.1", port, open = "r+", timeout = 5))
        TRUE
      },
      error = function(e) FALSE, warning = function(w) FALSE
    )
    if (answers) break
    Sys.sleep(0.1)
  }
  invisible(server)
}

knitr::opts_chunk$set(
  eval = has_keras, collapse = TRUE, comment = "#>",
  fig.width = 7, fig.height = 4.5, fig.align = "center"
)
knitr::opts_hooks$set(needs = function(options) {
  options$eval <- all(unlist(mget(options$needs, globalenv())))
  options$message <- options$engine != "bash" # what is run need not be told twice
  options
})

# TensorFlow says some lines at any log level, before the first that anybody asked for.
knitr::knit_hooks$set(output = local({
  standard <- knitr::knit_hooks$get("output")
  noise <- paste0(
    "[IWE]0000 .*[.]cc:", "|WARNING: All log messages before absl",
    "|To enable the following instructions"
  )
  function(x, options) {
    lines <- strsplit(x, "\n", fixed = TRUE)[[1]]
    kept <- lines[!grepl(noise, lines)]
    if (length(kept) == 0) "" else standard(paste0(kept, "\n", collapse = ""), options)
  }
}))

# Each vignette has a folder of its own, in which its examples run as a reader's would.
# A temporary one: what they write is no part of the documents. `R CMD build` has one
# session build all of them.
folder <- file.path(tempdir(), "project")
unlink(folder, recursive = TRUE)
dir.create(folder)
knitr::opts_knit$set(root.dir = folder)
if (has_keras) {
  invisible(reticulate::import_from_path(
    "modelcheckpoint",
    path = Sys.getenv("PYTHONPATH")
  ))
}
rm(folder)
options(
  width = 80,
  # A picture of matplotlib belongs beside those of R. reticulate would look for it from
  # the examples' folder.
  reticulate.engine.matplotlib.show = function(plt, options) {
    path <- knitr::fig_path("-python.png", options, number = 1L)
    if (!startsWith(path, "/")) {
      path <- file.path(knitr::opts_knit$get("output.dir"), path)
    }
    dir.create(dirname(path), recursive = TRUE, showWarnings = FALSE)
    plt$savefig(path, dpi = 192L)
    knitr::include_graphics(path, rel_path = FALSE)
  }
)
