"""The record of a process for its death: its black box in the directory of dumps.

A clean end removes the box; and the directory, if the process made the directory and no dump is
inside. Forked children have boxes of their own. store/deaths.py makes dumps of dead processes'
boxes.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from ..core import fault_file
from ..core.clock import now
from ..core.processes import memory_kills, namespace, start_of
from ..core.signals import signal_for_text
from ..format.files import make_private, remove
from ..store import Store
from ..store.boxes import BoxFacts, identity_of, make_box
from . import endings

# A record has so much of the command line. (characters)
_MOST_COMMAND: Final = 500
_HIDDEN: Final = "..."
# Options of Python itself whose next word is no secret.
_WITHOUT_SECRET: Final = ("-m", "-u", "-I", "-E", "-s", "-S", "-O")


class DeathBox:
    """The box of the process, and of its forked children.

    takes_over: whether faulthandler writes into the box even if somebody else has enabled it.
    of_children: whether forked children have boxes.
    """

    def __init__(self, store: Store, *, takes_over: bool = False, of_children: bool = True) -> None:
        self._store = store
        self._directory = store.directory
        self._takes_over = takes_over
        self._of_children = of_children
        self._first = os.getpid()
        self._pid = 0
        self._path = ""
        self._file = -1
        self._identity: tuple[int, int] | None = None
        self._made = False
        endings.begin(self)

    def stop(self) -> None:
        """From now on the process leaves no record."""
        endings.end(self)

    def begin(self) -> None:
        with fault_file.orders_wait():  # an order that nobody writes down would look like a kill
            self._begin()

    def _begin(self) -> None:
        if self._file >= 0:
            self._close()  # the parent's
        pid = os.getpid()
        if pid != self._first and not self._of_children:
            return
        is_new = not os.path.isdir(self._directory)
        make_private(self._directory)
        answers_to = signal_for_text()
        is_ours = self._takes_over or not fault_file.is_elsewhere()
        facts = BoxFacts(
            pid=pid,
            start=start_of(pid),
            space=namespace(),
            command=command_line(),
            began=now(),
            kills=memory_kills(),
            stack=answers_to,
            has_stack=is_ours,
            worker=os.environ.get("PYTEST_XDIST_WORKER") or None,
        )
        self._path, self._file = make_box(self._directory, facts)
        self._identity = identity_of(self._file)
        self._pid, self._made = pid, is_new
        fault_file.take(self._file, answers_to, takes_over=is_ours)

    def end(self) -> None:
        if self._file < 0 or self._pid != os.getpid():
            return
        remove(self._path)
        self._close()
        # Children that were ordered to end have left their boxes.
        if self._of_children and self._pid == self._first:
            self._store.collect_deaths()
        if self._made:
            try:
                os.rmdir(self._directory)
            except OSError:  # the directory has dumps
                return

    def _close(self) -> None:
        fault_file.release()
        file, self._file = self._file, -1
        # Else the program has closed all files, and opened another file.
        if identity_of(file) == self._identity:
            os.close(file)


def command_line() -> str:
    """The process's command, without code and values of options, because those may be secrets."""
    told: list[str] = []
    is_value = False
    for word in sys.orig_argv:
        if is_value and not word.startswith("-"):
            told.append(_HIDDEN)
        else:
            told.append(_without_value(word))
        is_value = word.startswith("-") and word not in _WITHOUT_SECRET
    command = " ".join(told)
    return command[:_MOST_COMMAND]


def _without_value(word: str) -> str:
    name, separator, _ = word.partition("=")
    if separator:
        return f"{name}={_HIDDEN}"
    if "://" in word:
        return _HIDDEN
    return word
