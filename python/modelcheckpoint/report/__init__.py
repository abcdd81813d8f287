"""What the user is told: in which words, and by which way it reaches them."""
