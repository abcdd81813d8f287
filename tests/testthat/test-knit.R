# Knits a document whose one chunk has this R code; returns the page's lines.
knitted <- function(code, folder, output = "html_fragment") {
  skip_if_not_installed("rmarkdown")
  skip_if_not(rmarkdown::pandoc_available(), "there is no pandoc")
  source <- withr::local_tempfile(fileext = ".Rmd")
  writeLines(c("---", "title: x", "---", "```{r}", code, "```"), source)
  path <- rmarkdown::render(
    source, output,
    output_dir = dirname(source), knit_root_dir = folder, quiet = TRUE,
    envir = new.env(parent = asNamespace("modelcheckpoint"))
  )
  on.exit(unlink(path))
  paste(readLines(path, encoding = "UTF-8"), collapse = "\n")
}

count <- function(pattern, text) {
  lengths(regmatches(text, gregexpr(pattern, text, fixed = TRUE)))
}

test_that("a page shows lists and verifications as tables", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  put_six(folder)
  page <- knitted(c("list_checkpoints('.')", "verify_checkpoints('.')"), folder)
  expect_identical(count("<table", page), 2L)
  expect_match(page, "<caption>6 checkpoints in .*</caption>")
  expect_match(page, ">w.6.keras</td>", fixed = TRUE)
  expect_match(page, "* best by val_loss", fixed = TRUE)
  expect_match(page, ">6 damaged</td>", fixed = TRUE)
})

test_that("code after a table stays code if chunks are collapsed", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  put_six(folder)
  page <- knitted(
    c(
      "knitr::opts_chunk$set(collapse = TRUE)", "```", "", "```{r}",
      "list_checkpoints('.')", "after <- 1", "verify_checkpoints('.')", "later <- 2"
    ),
    folder
  )
  expect_identical(count("<table", page), 2L)
  for (code in c("after", "later")) {
    expect_match(page, paste0("<code>", code, " &lt;- "), fixed = TRUE)
  }
})

test_that("a file's name is not markup in a page", {
  skip_if_no_python()
  skip_on_os("windows")
  folder <- withr::local_tempdir()
  names <- c("a_b_c.keras", "*a*.keras", "<script>x<b>.keras", "```.keras", "$x$.keras")
  for (name in names) {
    put(folder, name, 1, 0.5)
  }
  page <- knitted(c("list_checkpoints('.')", "verify_checkpoints('.')"), folder)
  expect_identical(count("<table", page), 2L)
  shown <- c(names[1:2], "&lt;script&gt;x&lt;b&gt;.keras", names[5])
  for (name in paste0(">", shown, "</td>")) {
    expect_identical(count(name, page), 2L)
  }
  expect_identical(count("<script>x", page), 0L)
})

test_that("a document that is not HTML has the text of the console", {
  skip_if_no_python()
  skip_if_not_installed("rmarkdown")
  folder <- withr::local_tempdir()
  put_six(folder)
  plain <- rmarkdown::output_format(NULL, rmarkdown::pandoc_options("plain"))
  text <- knitted(
    c("list_checkpoints('.')", "verify_checkpoints('.')[1:2]"), folder, plain
  )
  expect_match(text, "## <6 checkpoints>", fixed = TRUE)
  expect_match(text, "## * best by val_loss", fixed = TRUE)
  expect_match(text, "##        path  status", fixed = TRUE)
  expect_identical(count("<table", text), 0L)
})

test_that("columns changed by a user are shown as in any data frame", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  put_six(folder)
  page <- knitted(
    c(
      "found <- verify_checkpoints('.')",
      "found[c('path', 'epoch')]",
      "found$mine <- 'of my own'",
      "found",
      "list_checkpoints('.')[c('name', 'epoch')]"
    ),
    folder
  )
  expect_identical(count("<table", page), 0L)
  expect_match(page, "w.6.keras", fixed = TRUE)
  expect_match(page, "of my own", fixed = TRUE)
})

test_that("the value of verify_checkpoints() stays a data frame", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  put_six(folder)
  found <- verify_checkpoints(folder)
  expect_s3_class(
    found, c("modelcheckpoint_verification", "data.frame"),
    exact = TRUE
  )
  expect_identical(found[found$epoch > 4, "path"], c("w.5.keras", "w.6.keras"))
  expect_identical(nrow(rbind(found, found)), 12L)
  expect_identical(nrow(subset(found, status == "good")), 0L)
  expect_identical(
    capture.output(print(found)), capture.output(print(as.data.frame(found)))
  )
  if (requireNamespace("dplyr", quietly = TRUE)) {
    expect_identical(dplyr::filter(found, epoch > 4)$path, found$path[5:6])
    expect_identical(nrow(dplyr::bind_rows(found, found)), 12L)
  }
})
