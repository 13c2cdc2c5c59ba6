"""The report of `check` and `audit`, and its output formats."""
