# A real S3 server on this machine; skips the test without rclone and obstore.
local_store <- function(bucket = "bucket", env = parent.frame()) {
  skip_on_cran()
  skip_if_no_keras()
  rclone <- file.path(dirname(Sys.getenv("RETICULATE_PYTHON")), "rclone")
  skip_if_not(file.exists(rclone), "rclone is not next to RETICULATE_PYTHON")
  skip_if_not(reticulate::py_module_available("obstore"), "obstore is missing")
  buckets <- withr::local_tempdir(.local_envir = env)
  dir.create(file.path(buckets, bucket))
  socket <- reticulate::import("socket")
  probe <- socket$create_server(reticulate::tuple("127.0.0.1", 0L))
  port <- probe$getsockname()[[2]]
  probe$close()
  withr::local_envvar(
    AWS_ACCESS_KEY_ID = "testthat-key", AWS_SECRET_ACCESS_KEY = "testthat-secret",
    AWS_ENDPOINT_URL = paste0("http://127.0.0.1:", port),
    AWS_ALLOW_HTTP = "true", AWS_REGION = "us-east-1",
    .local_envir = env
  )
  subprocess <- reticulate::import("subprocess")
  server <- subprocess$Popen(
    list(
      rclone, "serve", "s3", "--auth-key=testthat-key,testthat-secret",
      paste0("--addr=127.0.0.1:", port), "--dir-cache-time=0.1s", buckets
    ),
    stdout = subprocess$DEVNULL, stderr = subprocess$DEVNULL
  )
  withr::defer(
    {
      server$kill()
      server$wait()
    },
    envir = env
  )
  for (attempt in 1:600) {
    begun <- tryCatch(
      {
        socket$create_connection(reticulate::tuple("127.0.0.1", port))$close()
        TRUE
      },
      error = function(e) FALSE
    )
    if (begun) break
    Sys.sleep(0.1)
  }
  list(
    folder = file.path(buckets, bucket),
    address = paste0("s3://", bucket, "/run")
  )
}
