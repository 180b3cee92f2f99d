"""RQ: exceptions of failed jobs with their frames, variables and original chain.

    rq worker --exception-handler keeptrace.concurrent.rq.keep_exception
    Worker(..., exception_handlers=[keep_exception])                       # the same, in a program

    exc = exception_of(job)      # RQ itself has only the text: job.latest_result().exc_string
    keeptrace.post_mortem(exc)

- A worker calls exception handlers for failed jobs only. Our handler adds a dump to the job's
  `meta`; then RQ goes on as usual.
- Reading the dump runs nothing from the dump (concurrent/parcels.py). RQ itself reads a job's meta
  by its own serializer, by default pickle.
- A killed work-horse calls no handler: RQ has a text, without frames.
"""

from __future__ import annotations

import os
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from ..core.errors import missing_extra
from ..core.options import Options
from .parcels import MAX_INLINE, Parcels

if TYPE_CHECKING:
    from typing import Unpack

    from ..core.options import SingleOptions

try:
    from rq.job import Job
except ImportError:
    raise missing_extra("keeptrace.concurrent.rq", "rq", "rq") from None

__all__ = ["exception_handler", "exception_of", "keep_exception"]

# The key in a job's meta.
_PARCEL: Final = "keeptrace"
# Modules with frames between a worker's start and the job.
_ENGINE: Final = ("rq.",)

Handler: TypeAlias = Callable[
    [Job, type[BaseException], BaseException, "types.TracebackType | None"], bool
]


def exception_handler(
    *,
    directory: str | os.PathLike[str] | None = None,
    max_inline: int = MAX_INLINE,
    trace: Options | None = None,
    **options: Unpack[SingleOptions],
) -> Handler:
    """An exception handler for workers that keeps a dump of a job's exception. keep_exception is
    exception_handler() with the defaults.

    directory: for dumps larger than max_inline: a path, or a URL for fsspec (extra "fsspec").
        Without a directory, large dumps are made smaller.
    max_inline: bytes of a dump within the job's meta. 0: all dumps go to the directory.
    trace: what to keep (keeptrace.Options).
    options: single fields of keeptrace.Options.

    Raises OptionError for a wrong option, MissingExtraError if fsspec is needed and not installed.
    """
    parcels = Parcels(_ENGINE, directory, max_inline, trace, **options)

    def keep(
        job: Job,
        kind: type[BaseException],
        exc: BaseException,
        traceback: types.TracebackType | None,
    ) -> bool:
        parcel = parcels.pack(exc)
        if parcel is not None:
            job.get_meta(refresh=True)  # the job may have changed meta by another Job object
            job.meta[_PARCEL] = parcel
            job.save_meta()
        return True  # lets the next handler run

    return keep


keep_exception: Handler = exception_handler()


def exception_of(
    job: Job, *, directory: str | os.PathLike[str] | None = None
) -> BaseException | None:
    """The exception of the job's last failure, with real frames; None without a failure, or under
    a worker without the handler.

    directory: the directory= of the worker's exception_handler(), if any.

    Raises DumpError if the dump cannot be read, or if it needs a directory and none is given;
    OSError if its file cannot be read."""
    parcel = job.get_meta(refresh=True).get(_PARCEL)
    if parcel is not None:
        return Parcels(_ENGINE, directory).unpack(parcel)
    return None
