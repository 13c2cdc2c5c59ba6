"""Mirrors webhook/: tests/test_policy.py is about webhook/policy.py. Only tests/cluster needs a real API server."""
