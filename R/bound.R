# Rows of several lists in one are a list, too, without what was true of one alone.

#' @export
rbind.modelcheckpoint_list <- function(...) {
  forget_stale(rbind.data.frame(...))
}

#' @export
`[.modelcheckpoint_list` <- function(x, ...) {
  forget_stale(NextMethod())
}

# What dplyr's bind_rows(), filter() and others do with their result.
#' @exportS3Method dplyr::dplyr_reconstruct
dplyr_reconstruct.modelcheckpoint_list <- function(data, template) {
  forget_stale(NextMethod())
}

# The folder that a list came with, and its curve, as far as they are its own.
forget_stale <- function(x) {
  if (!is.data.frame(x)) {
    return(x)
  }
  if (!identical(folders_of(x), attr(x, "folder"))) {
    attr(x, "folder") <- NULL
  }
  if (!has_own_curve(x)) {
    attr(x, "curve") <- NULL
  }
  x
}

# Has the curve points for the files in these rows, and for no others?
has_own_curve <- function(x) {
  curve <- attr(x, "curve")
  if (is.null(curve) || !all(c("name", "monitor") %in% names(x))) {
    return(FALSE)
  }
  drawn <- x$name[x$monitor %in% curve$monitor]
  kept <- curve$name[!is.na(curve$name)]
  identical(folders_of(x), attr(x, "folder")) && anyDuplicated(drawn) == 0 &&
    setequal(drawn, kept)
}

# The folders that were listed: what a path has before the name. Without rows,
# or without those columns, what the list came with.
folders_of <- function(x) {
  if (nrow(x) == 0 || !all(c("path", "name") %in% names(x))) {
    return(attr(x, "folder"))
  }
  known <- !is.na(x$path) & !is.na(x$name)
  path <- x$path[known]
  above <- substr(path, 1, nchar(path) - nchar(x$name[known]) - 1)
  unique(ifelse(nzchar(above), above, substr(path, 1, 1)))
}
