# Tables go from Python to R and back as whole columns. A column has a name,
# what it holds, its values, and which of them are known.

frame_of <- function(columns) {
  frame <- lapply(columns, vector_of)
  names(frame) <- vapply(columns, `[[`, "", "name")
  list2DF(frame)
}

vector_of <- function(column) {
  # An empty Python list becomes a list, not an empty vector.
  values <- unlist(column$values)
  vector <- switch(column$kind,
    text = as.character(values),
    flag = as.logical(values),
    number = as.double(values),
    time = as.POSIXct(as.double(values), origin = "1970-01-01", tz = "UTC")
  )
  vector[!as.logical(unlist(column$known))] <- NA
  vector
}

# These columns of a list, for Python; columns that are gone count as unknown.
columns_for_python <- function(x, names) {
  columns <- lapply(names, function(name) {
    column_for_python(if (is.null(x[[name]])) rep(NA, nrow(x)) else x[[name]])
  })
  stats::setNames(columns, names)
}

# As lists, because reticulate would convert a vector of one value to a scalar.
# Characters that would move the cursor are escaped, as R prints them.
column_for_python <- function(x) {
  known <- !is.na(x) | is.nan(x)
  if (is.character(x)) {
    x <- encodeString(x)
  }
  list(values = as.list(as.vector(unclass(x))), known = as.list(known))
}

# Does a column still have its type, or has the user changed it?
has_kind <- function(x, kind) {
  switch(kind,
    text = is.character(x),
    flag = is.logical(x),
    time = inherits(x, "POSIXct"),
    is.numeric(x)
  )
}
