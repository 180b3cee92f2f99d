"""gather(): the results of many futures, and their failures as one exception with a summary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..core.clock import monotonic

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ..grouping import FailureGroups

_T = TypeVar("_T")
# A group's message is a table; the first lines say most. (characters)
_MOST: Final = 4_000


class GatheredFailures(ExceptionGroup[Exception]):
    """The failures of gather(): an example of each kind, and a table of all as its message.

    results: the results in the order of the futures; a failure's exception in place of a result.
    groups: all failures by kind, as of keeptrace.group().
    """

    results: list[Any]
    groups: FailureGroups

    def derive(  # type: ignore[override]
        self, excs: Sequence[Exception], /
    ) -> ExceptionGroup[Exception]:
        """A plain group of the exceptions for `except*` and split()."""
        return ExceptionGroup(self.message, excs)


def gather(futures: Iterable[Future[_T]], *, timeout: float | None = None) -> list[_T]:
    """Waits for all futures, and returns their results in the same order.

    futures: of any executor.
    timeout: seconds to wait for all together; None for no limit.

    After failures, and only when all futures are done, raises GatheredFailures: an ExceptionGroup
    with an example of each kind of failure. Its message counts the kinds and says how the failures
    of a kind differ; `.results` and `.groups` have everything. KeyboardInterrupt, SystemExit and
    others that are no Exception are raised as themselves. Raises TimeoutError.
    """
    until = None
    if timeout is not None:
        until = monotonic() + timeout
    results = [_outcome(future, until) for future in [*futures]]
    failures = [outcome.exc for outcome in results if isinstance(outcome, _Failure)]
    if not failures:
        return results
    for exc in failures:
        if not isinstance(exc, Exception):
            raise exc
    raise _gathered(results, failures)


class _Failure:
    """Marks a raised exception; a task may also return an exception as its result."""

    def __init__(self, exc: BaseException) -> None:
        self.exc = exc


def _outcome(future: Future[Any], until: float | None) -> Any:
    from concurrent.futures import CancelledError

    left = None
    if until is not None:
        left = max(until - monotonic(), 0.0)
    try:
        exc = future.exception(left)
    except CancelledError as cancelled:
        exc = cancelled
    if exc is None:
        return future.result()
    return _Failure(exc)


def _gathered(results: list[Any], failures: list[BaseException]) -> GatheredFailures:
    from ..core.texts import shorten
    from ..grouping import group

    groups = group(failures)
    examples = [each.example for each in groups]
    message = f"{len(failures)} of {len(results)} failed\n{groups}"
    text = shorten(message, _MOST)
    raised = GatheredFailures(text, examples)  # type: ignore[arg-type]  # all are Exceptions
    raised.results = [_without_mark(outcome) for outcome in results]
    raised.groups = groups
    return raised


def _without_mark(outcome: object) -> object:
    if isinstance(outcome, _Failure):
        return outcome.exc
    return outcome
