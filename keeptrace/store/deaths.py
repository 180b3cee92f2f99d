"""Boxes of dead processes (boxes.py) → dumps, with the signal, the stack and the command.

If a process was ordered to end (SIGTERM, SIGHUP), or its parent killed the process on purpose,
we remove the box and report nothing.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, NamedTuple, TypeAlias

from ..core.digest import digest
from ..core.errors import ProcessDied
from ..core.fault_file import ELSEWHERE
from ..core.processes import memory_kills, memory_of_group
from ..core.watching import Sample
from ..textlog import parse_tracebacks
from .boxes import ASKED, KILLED, Box, left_boxes
from .local import LocalDirectory

_FATAL: Final = "Fatal Python error: "
_ABORTED: Final = "Aborted"
# The names of signals in faulthandler's text. Other fatal errors of Python end by SIGABRT.
_SIGNALS: Final = {
    "Segmentation fault": "SIGSEGV",
    "Bus error": "SIGBUS",
    "Illegal instruction": "SIGILL",
    "Floating-point exception": "SIGFPE",
    "Floating point exception": "SIGFPE",
}
# The head of a stack for a signal that did not kill, or that killed without a crash.
_STACK: Final = "(most recent call first):"
_MEGABYTE: Final = 1_000_000
# The note of a dump has so much of faulthandler's text. (characters)
_MOST_NOTE: Final = 20_000


# (death, script, kind) → the path of the dump; None if nothing could be written
Write: TypeAlias = Callable[[ProcessDied, str, str], str | None]


class Death(NamedTuple):
    """A death, and the path of its dump."""

    exc: ProcessDied
    path: str

    @property
    def stack(self) -> str:
        """The stack as Python prints stacks; empty if the process left no stack."""
        return "".join(traceback.format_tb(self.exc.__traceback__))


def collect(write: Write, files: LocalDirectory, signals: dict[str, str]) -> list[Death]:
    """See Store.collect_deaths(). write: Store.write_death."""
    try:
        return list(_collected(write, files, signals))
    except OSError:  # the directory is gone, or does not support locks
        return []


def _collected(write: Write, files: LocalDirectory, signals: dict[str, str]) -> Iterator[Death]:
    boxes = left_boxes(files)
    for box in boxes:
        exc = died(box, signals.get(box.facts.worker or ""))
        if exc is None:
            continue
        path = write(exc, _script(exc), _kind(exc))
        if path is None:  # a full disk: the next reader tries again
            boxes.close()
            return
        yield Death(exc, path)


def died(box: Box, known: str | None = None) -> ProcessDied | None:
    """The death in the record of a box; None if the process was ordered to end.

    known: the signal, if the caller knows.
    """
    facts = box.facts
    what, text = _last_words(box.text)
    if what is None and known is None and _is_ordered(box.text):
        return None
    signal = known
    if what is not None:
        signal = known or _SIGNALS.get(what, "SIGABRT")
    named = f"process {facts.pid} ({facts.command})"
    exc = ProcessDied(
        f"{named} {_told(box, signal, what)}",
        facts.pid, signal, facts.command, facts.began, _ended(box, what), facts.worker,
        *_memory(box.sample),
    )  # fmt: skip
    if text:
        exc.__traceback__ = _stack_in(text)
        exc.add_note(f"faulthandler wrote:\n{text[:_MOST_NOTE]}")
    return exc


def _ended(box: Box, what: str | None) -> float | None:
    """When the process died; None if nobody knows."""
    if box.sample is not None and box.sample.ended:
        return box.sample.ended
    if what is None:
        return None
    return max(box.changed, box.facts.began)


def _memory(sample: Sample | None) -> tuple[int | None, int | None]:
    """The process's memory at a watcher's last look, and its peak."""
    if sample is None:
        return None, None
    return sample.resident, sample.peak


def _last_words(text: str) -> tuple[str | None, str]:
    """The fatal error, and the whole text of faulthandler."""
    at = text.rfind(_FATAL)
    if at < 0:
        return None, ""
    words = text[at:].rstrip("\n")
    return words[len(_FATAL) :].partition("\n")[0], words


def _is_ordered(text: str) -> bool:
    """Whether the parent killed the process, or faulthandler wrote a stack without a request."""
    return KILLED in text or text.count(_STACK) > text.count(ASKED)


def _told(box: Box, signal: str | None, what: str | None) -> str:
    if what not in (None, _ABORTED, *_SIGNALS):
        return f"was aborted: {what}"
    seen = _last_look(box.sample)
    if signal is not None:
        return f"was killed by {signal}{seen}{_lack_of_memory(box)}"
    if not box.facts.has_stack or ELSEWHERE in box.text:
        return f"died{seen}; faulthandler was told to write elsewhere, so the cause is unknown here"
    why = "by SIGKILL (by hand, or by the system when memory ran out)"
    if box.sample is None or not box.sample.ended:
        why += ", or the machine stopped"
    return f"died without a word{seen}: {why}{_lack_of_memory(box)}"


def _last_look(sample: Sample | None) -> str:
    """A watcher's last look at the memory of the process."""
    if sample is None:
        return ""
    resident, peak = (f"{number / _MEGABYTE:,.0f} MB" for number in (sample.resident, sample.peak))
    told = f", last seen with {resident} of memory"
    if sample.ended:
        told += f" {max(0.0, sample.ended - sample.seen):.1f} s before"
    return f"{told} (at most {peak})"


def _lack_of_memory(box: Box) -> str:
    before, now = box.facts.kills, memory_kills()
    told = ""
    if before is not None and now is not None and now > before:
        told = f"; killed for lack of memory since, in its control group: {now - before}"
    memory = memory_of_group()
    if memory is not None:
        peak, limit = (f"{number / _MEGABYTE:,.0f} MB" for number in memory)
        told += f"; its control group's memory has peaked at {peak} of {limit}"
    return told


def _stack_in(text: str) -> TracebackType | None:
    for _, _, stack in parse_tracebacks(text.splitlines()):
        return stack
    return None


def _script(exc: ProcessDied) -> str:
    """The name of the worker, the script or the module."""
    if exc.worker:
        return exc.worker
    program, *arguments = exc.command.split() or ["python"]
    path = program
    for word in arguments:
        if word.strip(".") and not word.startswith("-"):
            path = word
            break
    return re.split(r"[/\\]", path)[-1]


def _kind(exc: ProcessDied) -> str:
    """Distinguishes deaths without a stack."""
    return digest(f"{exc.signal} {_script(exc)}".encode("utf-8", "replace"))
