"""The configuration file: its model, its errors and its JSON Schema."""
