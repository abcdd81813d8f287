# Output in documents that knitr renders: a table in HTML, otherwise the text of
# the console.

#' @exportS3Method knitr::knit_print
knit_print.modelcheckpoint_list <- function(x, ...) {
  html <- html_or_null(list_text(x, nrow(utils::tail(x, 20)), html = TRUE))
  if (is.null(html)) NextMethod() else html
}

#' @exportS3Method knitr::knit_print
knit_print.modelcheckpoint_verification <- function(x, ...) {
  html <- html_or_null(verification_html(x))
  if (is.null(html)) NextMethod() else html
}

# A table for the document; NULL if it is not rendered to HTML, if there is no
# table, or if Python is gone. It is raw HTML, because pandoc would read the
# names in it as Markdown. The fence is longer than knitr's own: with `collapse
# = TRUE`, knitr joins a fence that ends and the next one that begins into one
# block of code.
html_or_null <- function(html) {
  if (!knitr::is_html_output()) {
    return(NULL)
  }
  html <- tryCatch(html, modelcheckpoint_no_python = function(e) NULL)
  if (!is.null(html)) {
    knitr::asis_output(paste0("\n````{=html}\n", html, "\n````\n"))
  }
}

# NULL if the user has removed a column that is to be shown, or added one.
verification_html <- function(x) {
  shown <- c("path", "status", "reason")
  texts <- unclass(x)[intersect(shown, names(x))]
  if (
    length(texts) < length(shown) || !all(vapply(texts, is.character, NA)) ||
      !all(names(x) %in% verification_columns)
  ) {
    return(NULL)
  }
  texts <- lapply(texts, function(text) as.list(ifelse(is.na(text), "", text)))
  ask_python(sys.call(-1), function(for_r) {
    for_r$verification_html(texts$path, texts$status, texts$reason)
  })
}

verification_columns <- c(
  "path", "status", "reason", "epoch", "value", "bytes", "time", "run"
)
