"""A logging handler that writes a dump of each logged exception."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from .capture.capture import capturing
from .core.guard import with_enough_stack
from .core.options import Options
from .hooks import is_failure, store_of
from .store import DEFAULT_DIRECTORY, Store

if TYPE_CHECKING:
    from typing import Unpack

    from .core.options import SingleOptions


class LoggingHandler(logging.Handler):
    """Writes a dump for each record with an exception, and puts the path into the record, as
    `keeptrace`.

    Add the handler before the handlers that write text. Their formats can then name the dump, with
    "%(keeptrace)s": empty for a record without an exception, or with a failed dump. The handler
    itself writes no text.

    directory: for the dumps: a path, a URL, or a Store.
    level: as for every handler.
    options: the options of keeptrace.Options, or a keeptrace.Options as `trace`.

    Raises OptionError.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | Store = DEFAULT_DIRECTORY,
        level: int | str = logging.NOTSET,
        *,
        trace: Options | None = None,
        **options: Unpack[SingleOptions],
    ) -> None:
        super().__init__(level)
        self.store: Store = store_of(directory, trace, options)

    def handle(self, record: logging.LogRecord) -> Any:
        """logging.Handler.handle() without the lock: a slow dump must not stop other threads from
        logging.
        """
        try:
            found: Any = self.filter(record)
            if isinstance(found, logging.LogRecord):  # a filter may replace the record
                self.emit(found)
            elif found:
                self.emit(record)
        except RecursionError:  # nothing can be called any more; the program goes on
            return False
        return found

    def emit(self, record: logging.LogRecord) -> None:
        """Writes the dump. A record with a path from an earlier LoggingHandler keeps the path."""
        try:
            with_enough_stack(lambda: self._keep(record))
        except RecursionError:  # nothing can be called any more; the program goes on
            return

    def _keep(self, record: logging.LogRecord) -> None:
        if getattr(record, "keeptrace", ""):
            return
        record.keeptrace = ""
        exc = None
        if isinstance(record.exc_info, tuple):
            exc = record.exc_info[1]
        # During a capture, a __repr__ may log an exception: no failure of the program.
        if exc is not None and is_failure(exc) and not capturing.get():
            record.keeptrace = self.store.write(exc) or ""
