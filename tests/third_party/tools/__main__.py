"""`python -m tests.third_party.tools [NAME…]`: build these programs, or all, and print where they are."""

import sys

from tests.support.go_programs import BinariesUnavailable
from tests.third_party.tools import find_or_build, names


def main(wanted: list[str]) -> int:
    """Prints a path a line; 3, as `git-token-webhook` itself says it, when it could not finish."""
    unknown = set(wanted) - set(names())
    if unknown:
        print(f"No such program: {', '.join(sorted(unknown))}. There are {', '.join(names())}.", file=sys.stderr)
        return 2
    try:
        for name in wanted or names():
            print(find_or_build(name))
    except BinariesUnavailable as error:
        print(error, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
