"""What the shell offers while somebody types ``kubectl git-token …``.

kubectl asks a program called ``kubectl_complete-git_token`` with all words so far, and reads its answer as it reads
cobra's ``__complete``: a line for each offer, a tab before what it means, and last a number after a colon, of which 4
forbids file names (Kubernetes docs: "Extend kubectl with plugins"; cobra: ShellCompDirective).
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import sys

from webhook.cli.main import app

_FILES_TOO, _NO_FILES = 0, 4
_PROGRAM = "kubectl-git_token"


def main() -> None:
    """Answer kubectl."""
    *words, incomplete = sys.argv[1:] or [""]
    # What typer offers to the fish shell has just this form.
    os.environ |= {
        "_KUBECTL_GIT_TOKEN_COMPLETE": "complete_fish",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": f"{shlex.join([_PROGRAM, *words])} {incomplete}",
    }
    offers = io.StringIO()
    with contextlib.redirect_stdout(offers), contextlib.suppress(SystemExit):
        app(prog_name=_PROGRAM)
    text = offers.getvalue().strip("\n")
    print(f"{text}\n:{_NO_FILES}" if text else f":{_FILES_TOO}")
