"""A durable file -> the model that is there."""
