"""The only modules that touch a disk."""
