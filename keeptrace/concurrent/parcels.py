"""Dumps in an engine's own store of results: as text if small enough, else as the name of a file in
a directory of dumps.

    worker                                                 client
    exception ─▶ pack(): "dump:…", at most max_inline ─ ─ ▶ unpack(): exception
                   or "file:…", a name in `directory` ─ ─ ▶   the name in the client's `directory`

- Many programs write to such a store, so reading runs nothing from the data: no pickle, no import,
  no constructor. Exception classes are taken from loaded modules, so `except` clauses work as
  before.
- The store's data chooses no path and no URL: a name is looked up only in the reader's own
  directory.
- Without a directory, a dump over the limit is made again: without sources, then with
  representations only. If the dump is still too large, nothing is stored, and the worker writes a
  line on stderr. The engine's own text is stored in any case.
- Secrets are hidden as in every dump. Only keeptrace reads these dumps: the restorer does not
  travel along.
"""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Any, Final

from ..core.errors import DumpError, OptionError
from ..core.options import Options, make_options
from ..format.api import report_of
from ..format.reading import decode
from ..format.writing import encode
from ..restore.policy import LOADED, Policy
from ..restore.restore import restore
from ..store import Store
from ..store.telling import failed
from .origins import put_files
from .worker_frames import without_modules

if TYPE_CHECKING:
    from typing import Unpack

    from ..core.options import SingleOptions

# 54 KiB as text: with the rest of a result, the dump fits the narrowest common column, a BLOB of
# MySQL. (bytes a dump)
MAX_INLINE: Final = 40 << 10

# Options for a dump over the limit, tried in turn.
_LESS: Final[tuple[dict[str, Any], ...]] = (
    {"include_source": False},
    {
        "include_source": False,
        "depth": 1,
        "limit": 100,
        "max_items": 20,
        "max_text": 500,
        "max_message": 500,
        "pickler": None,
    },
)
_DUMP: Final = "dump:"
_FILE: Final = "file:"
_traceback_of: Final = BaseException.__dict__["__traceback__"].__get__
_set_traceback: Final = BaseException.__dict__["__traceback__"].__set__


class _ExceptionClasses(Policy):
    """The policy of every dump, but with exception classes of loaded modules."""

    def find(self, module: str, qualname: str) -> object:
        if module == "builtins":
            return super().find(module, qualname)
        found = LOADED.find(module, qualname)
        # Nothing else: a loaded class's __str__ could call a function or class in an attribute.
        if isinstance(found, type) and issubclass(found, BaseException):
            return found
        return None


# Engines mistake a false exception for none.
_POLICY: Final = _ExceptionClasses(lookups=False, imports=False, truthy=True, load_live=False)


class Parcels:
    """How an engine's store keeps exceptions.

    engine: starts of the names of modules. Outermost frames of these modules are left out.
    directory: a path, or a URL for fsspec (extra "fsspec"), for dumps larger than max_inline.
    max_inline: bytes of a dump in the store itself. 0: all dumps go to the directory.

    Raises OptionError for a wrong option, MissingExtraError if fsspec is needed and not installed.
    """

    def __init__(
        self,
        engine: tuple[str, ...],
        directory: str | os.PathLike[str] | None = None,
        max_inline: int = MAX_INLINE,
        trace: Options | None = None,
        **options: Unpack[SingleOptions],
    ) -> None:
        if type(max_inline) is not int or max_inline < 0:
            raise OptionError(
                f"max_inline must be a number of bytes, 0 or more, not {max_inline!r}"
            )
        if max_inline == 0 and directory is None:
            raise OptionError("max_inline=0 needs a directory for the dumps")
        self._engine = engine
        self._options = make_options(trace, **options)
        self._max_inline = max_inline
        self._store: Store | None = None
        if directory is not None:
            # Every failure has a dump, repeats too: each result has variables of its own.
            self._store = Store(directory, deduplicate=False, trace=self._options)

    def pack(self, exc: BaseException) -> str | None:
        """The exception as text for the store; None without an exception, or without room.

        Never raises.
        """
        traceback = _traceback_of(exc)
        if traceback is None and exc.__cause__ is None and exc.__context__ is None:
            return None  # never raised
        _set_traceback(exc, without_modules(traceback, self._engine))
        try:
            return self._pack(exc)
        except Exception as problem:
            # law 1: the engine's own report of the failure goes on in any case
            failed(exc, problem)
            return None
        finally:
            _set_traceback(exc, traceback)

    def _pack(self, exc: BaseException) -> str | None:
        size = 0
        attempts: tuple[dict[str, Any], ...] = ()
        if self._max_inline:
            attempts = ({}, *_LESS)
        for changes in attempts:
            report = report_of(exc, self._options, **changes)
            data = encode(report, restorer=False)
            if len(data) <= self._max_inline:
                return _DUMP + base64.b64encode(data).decode("ascii")
            size = len(data)
            if self._store is not None:
                break
        if self._store is None:
            failed(
                exc,
                f"its smallest dump has {size} bytes, and max_inline is {self._max_inline}:"
                " pass a directory= for larger dumps",
            )
            return None
        path = self._store.write(exc)  # says the reason on stderr
        if path is not None:
            return _FILE + os.path.basename(path)
        return None

    def unpack(self, parcel: object) -> BaseException:
        """The exception given to pack(). Runs nothing from the text.

        Raises DumpError, and OSError if a file cannot be read.
        """
        read = decode(self._data_of(parcel))
        try:
            put_files(read.report)
        except Exception:  # another thread changes a module: only source lines are missing then
            pass
        try:
            return restore(read.report, _POLICY)
        except Exception as problem:  # a well-formed report, but not made by capture()
            raise DumpError(
                f"this dump cannot be restored: {type(problem).__name__}: {problem}", read.header
            ) from None

    def _data_of(self, parcel: object) -> bytes:
        if not isinstance(parcel, str):
            raise DumpError("this is no text that keeptrace put there")
        size = len(_DUMP)
        kind = parcel[:size]
        text = parcel[size:]
        if kind == _DUMP:
            try:
                return base64.b64decode(text, validate=True)
            except ValueError as problem:
                raise DumpError(f"this is not a dump as text: {problem}") from None
        if kind != _FILE:
            raise DumpError("this is no text that keeptrace put there")
        if self._store is None:
            raise DumpError(
                f"the dump is the file {text[:200]!r}:"
                " pass the same directory= that the worker used"
            )
        return self._store.read(text)
