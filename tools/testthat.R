# Tests the installed R package; writes a summary line to the file given as argument.
# In a file or a pipe, a line that is redrawn many times a second becomes many lines.
reporter <- testthat::ProgressReporter$new(
  show_praise = FALSE,
  max_failures = Inf,
  update_interval = if (isatty(stdout())) 0.1 else 1e6
)
results <- testthat::test_dir(
  "tests/testthat",
  package = "modelcheckpoint",
  load_package = "installed",
  reporter = reporter,
  stop_on_failure = FALSE
)
counts <- as.data.frame(results)
failed <- sum(counts$failed) + sum(counts$error)
summary <- sprintf(
  "testthat: %d passed, %d failed, %d skipped",
  sum(counts$passed), failed, sum(counts$skipped)
)
writeLines(summary, commandArgs(TRUE)[[1]])
quit(status = if (failed > 0) 1 else 0)
