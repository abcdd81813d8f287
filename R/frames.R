# Tables go from Python to R, and back, by whole columns. A column has a name, what it
# holds, its values, and which of them are known.

frame_of <- function(columns) {
  frame <- lapply(columns, vector_of)
  names(frame) <- vapply(columns, `[[`, "", "name")
  list2DF(frame)
}

vector_of <- function(column) {
  # An empty list of Python's becomes a list, and not an empty vector.
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

# These columns of a list, as Python takes them; those that are gone are not known.
columns_for_python <- function(x, names) {
  columns <- lapply(names, function(name) {
    column_for_python(if (is.null(x[[name]])) rep(NA, nrow(x)) else x[[name]])
  })
  stats::setNames(columns, names)
}

# In a list each value stays one, also where there is but one. What would move the
# cursor is escaped, as R prints it.
column_for_python <- function(x) {
  known <- !is.na(x) | is.nan(x)
  if (is.character(x)) {
    x <- encodeString(x)
  }
  list(values = as.list(as.vector(unclass(x))), known = as.list(known))
}

# Has a column of a list still what it had, or has the user changed it?
has_kind <- function(x, kind) {
  switch(kind,
    text = is.character(x),
    flag = is.logical(x),
    time = inherits(x, "POSIXct"),
    is.numeric(x)
  )
}
