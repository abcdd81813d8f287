"""The checkpoints of a folder as values, text, tables and plots."""
