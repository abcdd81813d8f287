library(testthat)
library(modelcheckpoint)

test_check("modelcheckpoint")
