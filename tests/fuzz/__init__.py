"""Generated AdmissionReviews against a running server."""
