"""From an order to save to a durable file."""
