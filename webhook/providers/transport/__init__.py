"""Everything between us and a provider's socket."""
