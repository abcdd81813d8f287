# Bound rows of several lists are a list too, without the attributes of one.

#' @export
rbind.modelcheckpoint_list <- function(...) {
  forget_stale(rbind.data.frame(...))
}

#' @export
`[.modelcheckpoint_list` <- function(x, ...) {
  forget_stale(NextMethod())
}

# dplyr's bind_rows(), filter() and other verbs call this for their result.
#' @exportS3Method dplyr::dplyr_reconstruct
dplyr_reconstruct.modelcheckpoint_list <- function(data, template) {
  forget_stale(NextMethod())
}

# The folder and the curve of a list, as far as they still belong to it.
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

# Does the curve have points for the files in these rows, and only for them?
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

# The folders that were listed: the part of each path before the name. Without
# rows or without these columns, the folder that the list came with.
folders_of <- function(x) {
  if (nrow(x) == 0 || !all(c("path", "name") %in% names(x))) {
    return(attr(x, "folder"))
  }
  known <- !is.na(x$path) & !is.na(x$name)
  path <- x$path[known]
  above <- substr(path, 1, nchar(path) - nchar(x$name[known]) - 1)
  unique(ifelse(nzchar(above), above, substr(path, 1, 1)))
}
