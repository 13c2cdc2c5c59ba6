"""Mirrors webhook/: tests/review/test_policy.py tests webhook/review/policy.py. tests/api_server needs a cluster."""
