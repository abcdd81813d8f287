"""One training, followed from hook to hook."""
