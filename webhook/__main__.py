"""``python -m webhook``: the same as ``git-token-webhook``."""

from webhook.cli.main import main

main()
