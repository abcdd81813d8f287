"""The journal beside the checkpoints, and what is checked and deleted by it."""
