"""What is shipped to install by: rendered by kubectl and helm, compared, held against schemas and the real API server.

- `rendered` runs kubectl and helm; the fixtures of `conftest` hand out what they make,
- `values_schema` writes the schema of the chart's values.

What can be said without rendering anything stands in tests/manifests/test_base.py.
"""
