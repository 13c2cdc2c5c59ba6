"""Own certificates, without a cluster."""
