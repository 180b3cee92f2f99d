"""The command `keeptrace`, and `python -m keeptrace`."""

from __future__ import annotations

import sys

from .core.errors import KeepTraceError


def main() -> None:
    """Runs the command. A wrong file or option is one sentence and exit code 2."""
    try:
        from .tools.cli import main as command
    except KeepTraceError as problem:  # the extra is not installed
        print(f"keeptrace: {problem}", file=sys.stderr)
        sys.exit(2)
    command()


if __name__ == "__main__":
    main()
