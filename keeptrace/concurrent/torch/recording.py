"""record(): torch's decorator of a script's main function under torchrun, with a dump beside
torch's error file.

torchrun gives each rank a file for its error, and shows the text of the first failure. The text has
the dump's path, and so has the file, as message.extraInfo.keeptrace.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from ...core.options import Options, make_options
from ...core.telling import tell
from ...format.api import dump
from ...store.names import SUFFIX

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ErrorHandler

P = ParamSpec("P")
R = TypeVar("R")

# torch names each rank's file here.
_ERROR_FILE: Final = "TORCHELASTIC_ERROR_FILE"


def record(
    fn: Callable[P, R], error_handler: ErrorHandler | None = None, *, trace: Options | None = None
) -> Callable[P, R | None]:
    """torch.distributed.elastic.multiprocessing.errors.record, with a dump beside torch's error
    file.

    fn: the main function of a script started by torchrun.
    error_handler: a torch ErrorHandler; None for torch's default.
    trace: what to keep of a failure (keeptrace.Options).

    Without torchrun, writes no file, as torch's record(). Raises OptionError for a wrong option.
    """
    from torch.distributed.elastic.multiprocessing import errors

    handler = _DumpingHandler(error_handler or errors.get_error_handler(), make_options(trace))
    return errors.record(fn, handler)  # type: ignore[no-any-return]  # untyped


class _DumpingHandler:
    """Wraps an error handler of torch's, and writes the dump."""

    def __init__(self, handler: ErrorHandler, options: Options) -> None:
        self._handler = handler
        self._options = options

    def record_exception(self, exc: BaseException) -> None:
        """Writes torch's error file, then the dump, and names it in the file."""
        self._handler.record_exception(exc)
        file = os.environ.get(_ERROR_FILE)
        if not file:
            return
        path = os.path.splitext(file)[0] + SUFFIX
        dump(exc, path, trace=self._options, on_error="tell")
        if os.path.exists(path):
            _name_in(file, path)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handler, name)


def _name_in(file: str, path: str) -> None:
    try:
        with open(file, encoding="utf-8") as text:
            told = json.load(text)
        extra = told["message"]["extraInfo"]
        extra["keeptrace"] = path
        extra["py_callstack"] += f"The frames are in a dump: keeptrace debug {path}\n"
        changed = json.dumps(told)
        with open(file, "w", encoding="utf-8") as text:
            text.write(changed)
    except Exception as problem:  # the program's own handler may write any text into the file
        tell(f"{file} does not name the dump {path}: {type(problem).__name__}: {problem}")
