"""The wire format, from bytes to bytes."""
