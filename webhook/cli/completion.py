"""Shell completion for ``kubectl git-token``.

kubectl runs ``kubectl_complete-git_token`` with the words of the command line. It expects the output of cobra's
``__complete``: a line for each suggestion with its description after a tab, then a colon and a directive, of which 4
disables file names (Kubernetes docs: "Extend kubectl with plugins"; cobra: ShellCompDirective).
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import sys

from webhook.cli.main import app

_DEFAULT, _NO_FILES = 0, 4
_PROGRAM = "kubectl-git_token"


def main() -> None:
    """Print the suggestions for the command line in `sys.argv`."""
    *words, incomplete = sys.argv[1:] or [""]
    # typer's output for the fish shell has this format.
    os.environ |= {
        "_KUBECTL_GIT_TOKEN_COMPLETE": "complete_fish",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": f"{shlex.join([_PROGRAM, *words])} {incomplete}",
    }
    suggestions = io.StringIO()
    with contextlib.redirect_stdout(suggestions), contextlib.suppress(SystemExit):
        app(prog_name=_PROGRAM)
    text = suggestions.getvalue().strip("\n")
    print(f"{text}\n:{_NO_FILES}" if text else f":{_DEFAULT}")
