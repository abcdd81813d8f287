"""Observe the running `fit`."""
