"""Imported by every Python that starts below `keeptrace run`, before the program: see tools/run.py.

Any version of Python may import this file, so its syntax is old, and it does nothing in versions
that keeptrace does not support. The file hides the user's own sitecustomize, and therefore imports
the user's file first.
"""

import os
import sys


def _users():
    # type: () -> None
    """Imports the hidden sitecustomize, as without this file."""
    here = os.path.normcase(os.path.dirname(os.path.abspath(__file__)))
    sys.path[:] = [
        path for path in sys.path if os.path.normcase(os.path.abspath(path or os.curdir)) != here
    ]
    ours = sys.modules.pop("sitecustomize", None)
    try:
        # The next module of the same name on the path, if any.
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401
    except ImportError as problem:
        if getattr(problem, "name", None) != "sitecustomize":
            raise  # the user's module lacks an import: site reports the error
    finally:
        if ours is not None:
            sys.modules.setdefault("sitecustomize", ours)


def _start():
    # type: () -> None
    package = os.environ.get("KEEPTRACE_RUN_FROM")
    if not package or sys.version_info < (3, 11):
        return
    path = list(sys.path)
    # needed for the import of keeptrace alone: the package then finds its own modules
    sys.path.insert(0, package)
    try:
        from keeptrace.tools import run as _run

        _run.start()
    except Exception as problem:  # the program must run in any case
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
