"""gather(): the results of many futures, and their failures as one exception with a summary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..core.clock import monotonic

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ..grouping import FailureGroups

_T = TypeVar("_T")
# What a group of failures says of itself is a table; its first lines say most. (characters)
_MOST: Final = 4_000


class GatheredFailures(ExceptionGroup[Exception]):
    """The failures of gather(): an example of each kind, and a table of all as its message.

    results: what the futures gave, in their order; in the place of a failure its exception.
    groups: all failures, by kind, as keeptrace.group() gives them.
    """

    results: list[Any]
    groups: FailureGroups

    def derive(  # type: ignore[override]
        self, excs: Sequence[Exception], /
    ) -> ExceptionGroup[Exception]:
        """A plain group of the exceptions that `except*` and split() take out."""
        return ExceptionGroup(self.message, excs)


def gather(futures: Iterable[Future[_T]], *, timeout: float | None = None) -> list[_T]:
    """The results of all futures, in their order; waits for all of them.

    futures: of any executor.
    timeout: seconds to wait for all together; None for no limit.

    If some failed, GatheredFailures is raised when all are done: an ExceptionGroup with an example
    of each kind of failure, whose message counts them and says what differs; `.results` and
    `.groups` have everything. A failure that is no Exception (KeyboardInterrupt, SystemExit) is raised as
    itself. Raises TimeoutError.
    """
    until = None if timeout is None else monotonic() + timeout
    results = [_outcome(future, until) for future in [*futures]]
    failures = [outcome.exc for outcome in results if isinstance(outcome, _Failure)]
    if not failures:
        return results
    for exc in failures:
        if not isinstance(exc, Exception):
            raise exc
    raise _gathered(results, failures)


class _Failure:
    """An exception, apart from a result that happens to be one."""

    def __init__(self, exc: BaseException) -> None:
        self.exc = exc


def _outcome(future: Future[Any], until: float | None) -> Any:
    from concurrent.futures import CancelledError

    left = None if until is None else max(until - monotonic(), 0.0)
    try:
        exc = future.exception(left)
    except CancelledError as cancelled:
        exc = cancelled
    return future.result() if exc is None else _Failure(exc)


def _gathered(results: list[Any], failures: list[BaseException]) -> GatheredFailures:
    from ..core.texts import shorten
    from ..grouping import group

    groups = group(failures)
    examples = [each.example for each in groups]
    message = f"{len(failures)} of {len(results)} failed\n{groups}"
    text = shorten(message, _MOST)
    raised = GatheredFailures(text, examples)  # type: ignore[arg-type]  # all are Exceptions
    raised.results = [each.exc if isinstance(each, _Failure) else each for each in results]
    raised.groups = groups
    return raised
