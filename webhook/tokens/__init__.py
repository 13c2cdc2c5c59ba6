"""Changes to stored tokens: list, set, delete, reseal, unseal and retire keys."""
