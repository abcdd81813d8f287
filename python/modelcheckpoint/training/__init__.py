"""A training, followed from hook to hook: what falls due is saved, and reported."""
