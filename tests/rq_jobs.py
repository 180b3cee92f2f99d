"""Jobs for test_rq.py: the workers that it starts import them by name."""

from __future__ import annotations

import os
import signal
import time

import traced_tasks as tasks
from rq import get_current_job

from keeptrace.concurrent.rq import exception_handler

to_directory = exception_handler(directory=os.environ.get("RQ_DUMPS", "absent"), max_inline=0)


class Shortage(Exception):
    """Cannot be rebuilt from its arguments."""

    def __init__(self, item, *, left):
        super().__init__(f"{left} of {item}")
        self.item = item
        self.left = left


def short(item):
    stock = {"bolt": 2}
    raise Shortage(item, left=stock[item])


def noting(size):
    job = get_current_job()
    job.meta["progress"] = "half"
    job.save_meta()
    return tasks.chained(size)


def secret():
    password = "hunter2-hunter2"
    user = "somebody"
    raise ValueError("not let in")


def large(size):
    texts = [f"{number:06} {os.urandom(2000).hex()}" for number in range(size)]
    raise ValueError(f"{len(texts)} texts")


def slow(name):
    began = ["began", name]
    time.sleep(30)


def attempt(path):
    """Fails when it is called first."""
    try:
        os.mkdir(path)
    except FileExistsError:
        return "second"
    raise ConnectionError(path)


def die():
    os.kill(os.getpid(), signal.SIGKILL)
