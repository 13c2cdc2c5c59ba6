"""Situations that users of Git tokens have reported, as data.

Each has a Secret, a configuration, the answers of a provider, and the right verdict.
`cases/` holds one file for each situation; `provider.py` plays all providers, and `test_field.py` compares what
`git-token-webhook check` says with what the case expects. To add a case, copy a similar file. Tokens are written in
pieces (``ghp_Fq7{|}B2m…``), so that no scanner takes one for real.
"""
