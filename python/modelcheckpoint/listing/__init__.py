"""What a folder has: which checkpoints, as values, text, tables and plots."""
