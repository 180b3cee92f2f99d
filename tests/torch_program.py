"""Datasets and ranks that fail, for tests/test_torch.py: workers and ranks import them by name."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy  # noqa: F401  # torch's workers import it; a forked one has it already
import pool_tasks
import torch
import traced_tasks as tasks


class Samples(torch.utils.data.Dataset):
    """Numbers; what happens at one of them is said by a word."""

    def __init__(self, how: str = "", at: int = 6) -> None:
        self.how = how
        self.at = at

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> Any:
        local = [index] * 2
        if index == self.at and self.how:
            return act(self.how)
        return index


class Stream(torch.utils.data.IterableDataset):
    """Numbers, of every worker the same; its iterator fails when it is made for the n-th time."""

    def __init__(self, fails_at: int) -> None:
        self.fails_at = fails_at
        self.begun = 0

    def __iter__(self) -> Iterator[int]:
        self.begun += 1
        if self.begun == self.fails_at:
            tasks.chained(self.begun)
        return iter(range(4))


class Unpinnable:
    """Part of a batch that fails when its memory is pinned."""

    def pin_memory(self) -> None:
        tasks.chained(5)


def act(how: str) -> Any:
    if how in tasks.KINDS:
        tasks.fail_with(how)
    if how == "chained":
        tasks.chained(5)
    if how == "key":
        raise KeyError("absent")
    if how == "SIGSEGV":
        if "pytest" in sys.modules:  # in a forked worker
            pool_tasks.no_faulthandler()
        with_another_thread()
        signal.raise_signal(signal.SIGSEGV)
    if how == "SIGKILL":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "leave":
        os._exit(7)
    if how == "leave well":
        os._exit(0)
    if how == "unpicklable":
        return lambda: None
    if how == "wait":
        threading.Event().wait()
    return how


def with_another_thread() -> None:
    """Starts a thread that is newer than the one that dies."""
    threading.Thread(target=threading.Event().wait, daemon=True).start()


def listed(batch: list[Any]) -> list[Any]:
    return batch


def failing_collate(batch: list[Any]) -> list[Any]:
    tasks.chained(len(batch))
    return batch


def failing_init(worker_id: int) -> None:
    tasks.chained(5)


def pinned(batch: list[Any]) -> Unpinnable:
    return Unpinnable()


def rank(index: int, how: str, failing: int = 1) -> None:
    """A rank of two; the other waits until it is ended."""
    local = [index] * 2
    if index == failing:
        act(how)
    threading.Event().wait()


def note(index: int, directory: str) -> None:
    Path(directory, str(index)).touch()


if __name__ == "__main__":  # under torchrun
    from keeptrace.concurrent.torch import record

    @record
    def main() -> None:
        act(sys.argv[1])

    main()
