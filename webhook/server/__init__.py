"""The process that serves admission reviews."""
