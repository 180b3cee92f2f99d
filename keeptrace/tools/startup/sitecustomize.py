"""Imported by every Python that starts below `keeptrace run`, before the program: see tools/run.py.

It may be any Python, so this file is of the oldest syntax, and does nothing where keeptrace does
not run. The user's own sitecustomize, which this one stands in front of, is imported in its place.
"""

import os
import sys


def _users():
    # type: () -> None
    """Imports the sitecustomize that this one hides, as if this one were not there."""
    here = os.path.normcase(os.path.dirname(os.path.abspath(__file__)))
    sys.path[:] = [
        path for path in sys.path if os.path.normcase(os.path.abspath(path or os.curdir)) != here
    ]
    ours = sys.modules.pop("sitecustomize", None)
    try:
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401  # the next one on the path, where there is one
    except ImportError as problem:
        if getattr(problem, "name", None) != "sitecustomize":
            raise  # something that the user's own one needs: site tells it
    finally:
        if ours is not None:
            sys.modules.setdefault("sitecustomize", ours)


def _start():
    # type: () -> None
    package = os.environ.get("KEEPTRACE_RUN_FROM")
    if not package or sys.version_info < (3, 11):
        return
    path = list(sys.path)
    # for this import alone: a package knows itself where its modules are
    sys.path.insert(0, package)
    try:
        from keeptrace.tools import run as _run

        _run.start()
    except Exception as problem:  # the program must run whatever happens to us
        sys.stderr.write(
            "keeptrace: no dump will be written: %s: %s\n"  # noqa: UP031  # any Python
            % (type(problem).__name__, ascii(str(problem)))
        )
    finally:
        sys.path[:] = path


try:
    _users()
finally:
    _start()
