"""Which Secrets hold Git credentials, what is in them, and where each token goes."""
