# The R half of `make docs`: pages, help and news, by pkgdown; tools/site.sh calls it.

options(pkgdown.internet = FALSE, rlang_interactive = FALSE)
# The help pages' examples run where Python runs already, and only there.
stopifnot(reticulate::py_module_available("keras"))

# For a package that is not installed, as keras3 may be, downlit fetches CRAN's list of
# packages to see where its help is. Without it those functions are text, and no links.
utils::assignInNamespace(
  "CRAN_urls",
  function() data.frame(Package = character(), URL = character()),
  "downlit"
)

pkg <- pkgdown::as_pkgdown(".")
pkgdown::init_site(pkg)
pkgdown::build_home(pkg, preview = FALSE)
pkgdown::build_reference(pkg, lazy = FALSE, preview = FALSE, devel = FALSE)
pkgdown::build_articles(pkg, lazy = FALSE, preview = FALSE, quiet = TRUE)
pkgdown::build_news(pkg, preview = FALSE)
