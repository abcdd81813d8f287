# The R example of the README, unchanged.

readme_section <- function() {
  path <- testthat::test_path("..", "..", "README.md")
  skip_if_not(file.exists(path), "the README, which is in a checkout only")
  lines <- readLines(path, encoding = "UTF-8")
  begin <- which(lines == "## In R")
  end <- which(lines == "## In Python")
  lines[seq(begin, end)]
}

# The lines of the first code block in a language.
code_block <- function(lines, language = "") {
  fences <- which(startsWith(lines, "```"))
  opening <- fences[c(TRUE, FALSE)]
  first <- which(lines[opening] == paste0("```", language))[[1]]
  lines[seq(opening[[first]] + 1, fences[c(FALSE, TRUE)][[first]] - 1)]
}

without_numbers <- function(lines) {
  gsub("[0-9]+[.][0-9]{2,}", "#", trimws(lines[nzchar(trimws(lines))]))
}

test_that("the README's example runs in R, and prints what it shows", {
  skip_if_no_keras3()
  section <- readme_section()
  withr::local_dir(withr::local_tempdir())
  example <- tempfile(fileext = ".R")
  writeLines(c(code_block(section, "r"), "class(best)[[1]]"), example)
  # In a separate session, because it attaches keras3. `--vanilla`: no profile.
  environment <- c(R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep))
  withr::local_envvar(environment)
  output <- suppressWarnings(system2(
    file.path(R.home("bin"), "Rscript"), c("--vanilla", shQuote(example)),
    stdout = TRUE, stderr = FALSE
  ))
  expect_null(attr(output, "status"))
  expect_true(file.exists("Rplots.pdf"))
  expect_match(output[[length(output)]], "keras")
  # On another backend, the initial weights differ.
  skip_if_not(reticulate::import("keras")$backend$backend() == "tensorflow")
  expect_identical(
    without_numbers(output[-length(output)]), without_numbers(code_block(section))
  )
})
