"""The journal beside the checkpoints, and checking and deleting files by it."""
