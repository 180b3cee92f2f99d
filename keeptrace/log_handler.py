"""A logging handler that keeps a dump of each logged exception."""

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
    """Writes a dump for each record that has an exception, and its path into the record as
    `keeptrace`.

    Add it before the handlers that write the text, and their formats can name the dump, with
    "%(keeptrace)s": records without an exception, and those whose dump failed, get the empty text.
    It writes no text itself.

    directory: where, or a Store.
    level: as for every handler.
    options: those of keeptrace.Options, or a whole one as `trace`.

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
        """logging.Handler.handle() without its lock: a slow dump must not stop other threads from
        logging.
        """
        try:
            found: Any = self.filter(record)
            if found:
                self.emit(found if isinstance(found, logging.LogRecord) else record)
        except RecursionError:  # nothing can be called any more; the program goes on
            return False
        return found

    def emit(self, record: logging.LogRecord) -> None:
        """Writes the dump. A record keeps the path from an earlier handler of this class."""
        try:
            with_enough_stack(lambda: self._keep(record))
        except RecursionError:  # nothing can be called any more; the program goes on
            return

    def _keep(self, record: logging.LogRecord) -> None:
        if getattr(record, "keeptrace", ""):
            return
        record.keeptrace = ""
        exc = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        # A __repr__ may log an exception while its frame is captured: no failure of the program.
        if exc is not None and is_failure(exc) and not capturing.get():
            record.keeptrace = self.store.write(exc) or ""
