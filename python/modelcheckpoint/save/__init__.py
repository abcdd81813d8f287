"""An order to save -> a durable file."""
