# The R half of `make docs`: pages, help and news, by pkgdown; tools/site.sh calls it.

options(pkgdown.internet = FALSE, rlang_interactive = FALSE)
# The examples on the help pages run only if Python is already running.
stopifnot(reticulate::py_module_available("keras"))

# For a package that is not installed, such as keras3, downlit fetches CRAN's list of
# packages to find its help. Without that list, its functions are plain text, not links.
utils::assignInNamespace(
  "CRAN_urls",
  function() data.frame(Package = character(), URL = character()),
  "downlit"
)

# pkgdown renders the Markdown files in this folder, but not those in its subfolders.
build_folder <- function(pkg, folder) {
  to <- file.path(pkg$dst_path, folder)
  dir.create(to, recursive = TRUE)
  for (file in list.files(file.path(pkg$src_path, folder), "[.]md$")) {
    path <- file.path(pkg$src_path, folder, file)
    body <- pkgdown:::markdown_body(path, strip_header = TRUE)
    pkgdown::render_page(
      pkg, "title-body", list(pagetitle = attr(body, "title"), body = body),
      file.path(folder, sub("[.]md$", ".html", file))
    )
  }
  pictures <- list.files(file.path(pkg$src_path, folder), "[.]svg$", full.names = TRUE)
  file.copy(pictures, to)
}

# These files link to vignettes and to NEWS.md, which are elsewhere on the site.
link_to_pages <- function(path) {
  html <- readLines(path, encoding = "UTF-8", warn = FALSE)
  html <- gsub('href="([./]*)vignettes/([a-z-]+)[.]Rmd', 'href="\\1articles/\\2.html', html)
  html <- gsub('href="([./]*)NEWS[.](md|html)"', 'href="\\1news/index.html"', html)
  writeLines(html, path, useBytes = TRUE)
}

pkg <- pkgdown::as_pkgdown(".")
pkgdown::init_site(pkg)
pkgdown::build_home(pkg, preview = FALSE)
for (folder in c("docs", "benchmarks", "benchmarks/results")) build_folder(pkg, folder)
written <- list.files(pkg$dst_path, "[.]html$", full.names = TRUE)
written <- c(written, list.files(file.path(pkg$dst_path, "docs"), full.names = TRUE))
invisible(lapply(written, link_to_pages))
pkgdown::build_reference(pkg, lazy = FALSE, preview = FALSE, devel = FALSE)
pkgdown::build_articles(pkg, lazy = FALSE, preview = FALSE, quiet = TRUE)
pkgdown::build_news(pkg, preview = FALSE)
