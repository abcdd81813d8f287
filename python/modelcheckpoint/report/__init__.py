"""Everything that the user reads, and how it reaches them."""
