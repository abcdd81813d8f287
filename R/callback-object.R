# The callback in R: a Python object from which its arguments can be read.

# The arguments that can be whole numbers of any size.
whole_numbers <- c(
  "period", "save_freq", "keep_latest", "keep_best", "keep_every"
)

# A Python object ends with its session. saveRDS() writes an empty shell of it,
# for which reticulate returns NULL as every value.
lost_callback <- paste(
  "This callback is lost: saveRDS() and save() cannot keep a Python object, nor",
  "can a new R session. Create it again with callback_model_checkpoint();",
  "`resume = TRUE` continues from its newest checkpoint."
)

check_alive <- function(x, call) {
  if (reticulate::py_is_null_xptr(x)) {
    abort(lost_callback, call)
  }
}

#' @export
`$.modelcheckpoint.callback.ModelCheckpoint` <- function(x, name) {
  check_alive(x, sys.call())
  if (!name %in% whole_numbers) {
    return(NextMethod())
  }
  # reticulate converts a Python integer above 2^31 to 0.
  shown <- reticulate::py_str(reticulate::py_get_attr(x, name))
  if (shown == "None") {
    return(NULL)
  }
  if (grepl("^[0-9]+$", shown)) as_whole(as.double(shown)) else shown
}

#' @export
`[[.modelcheckpoint.callback.ModelCheckpoint` <- function(x, name) {
  check_alive(x, sys.call())
  NextMethod()
}
