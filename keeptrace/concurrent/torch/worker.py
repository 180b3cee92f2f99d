"""Runs in every worker of a DataLoader: serves the black box, then runs the loop of torch, or of
torchdata.

- torch installs handlers of fatal signals first, then faulthandler. faulthandler writes the stack
  into the box, then calls torch's handlers, so torch still prints its line.
- The box has the worker's current batch: a store into memory before and after each batch.
- An unpicklable batch fails only the batch. In torch itself, the worker prints a traceback, and the
  parent waits forever.
- An exception that ends torch's loop (SystemExit, or an iterable dataset's `__iter__` at the second
  epoch) goes into the box, and is the cause of the parent's error.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from torch.utils.data._utils import signal_handling

from ...core.fault_file import keep_orders
from ...core.hold import remember_pipes
from ...core.options import Options
from ..deaths.black_box import JOB, BlackBox
from ..deaths.worker import run_worker
from ..foreign import Way
from .wrappers import FramedException, framed_bytes

# The module of the loop that sends a state with each batch.
_STATEFUL: Final = "torchdata.stateful_dataloader.worker"


def start(box: BlackBox, way: Way, loop: Callable[..., None], args: tuple[Any, ...]) -> None:
    """The target of a worker's process. loop: torch's or torchdata's, with its arguments."""
    if way.holding is not None:
        remember_pipes()
    keep_orders(signal_handling._set_worker_signal_handlers)
    signal_handling._set_worker_signal_handlers = _nothing  # the loop's call would undo ours
    run_worker(box, way.options, _work, (way, loop, args))


def _nothing() -> None:
    return None


def _work(
    box: BlackBox, options: Options, way: Way, loop: Callable[..., None], args: tuple[Any, ...]
) -> None:
    loop.__globals__["ExceptionWrapper"] = partial(FramedException, way)
    named = dict(zip(loop.__code__.co_varnames, args))
    _note_batches(box, named["index_queue"], named["data_queue"])
    named["data_queue"]._on_queue_feeder_error = partial(
        _send_failure, way, named["worker_id"], named["data_queue"], loop.__module__ == _STATEFUL
    )
    try:
        loop(*args)
    except BaseException as exc:
        box.put(framed_bytes(exc, way))
        raise


def _note_batches(box: BlackBox, indices: Any, batches: Any) -> None:
    """Notes the batch in the box, from the queue of indices to the queue of batches."""
    get, put, words = indices.get, batches.put, box.words

    def get_noting(*args: object, **kwargs: object) -> object:
        got = get(*args, **kwargs)
        if type(got) is tuple:  # else an order to end, or to begin anew
            words[JOB] = got[0] + 1
        return got

    def put_noting(*args: object, **kwargs: object) -> None:
        put(*args, **kwargs)
        words[JOB] = 0

    indices.get, batches.put = get_noting, put_noting


def _send_failure(
    way: Way,
    worker_id: int,
    batches: Any,
    is_stateful: bool,
    exc: BaseException,
    message: tuple[int, object],
) -> None:
    """Sends the error of pickling a batch in place of the batch. Runs in the queue's thread."""
    answer: object = FramedException(way, exc, f"in DataLoader worker process {worker_id}")
    if is_stateful:
        answer = (answer, worker_id, None)
    batches.put((message[0], answer))
