"""What arrives of exceptions as libraries write them."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from typing import Any

import arrival_tasks as tasks
import pytest

from keeptrace import Options
from keeptrace.capture.capture import capture
from keeptrace.capture.walk import Walk
from keeptrace.concurrent.crossing import from_bytes, to_bytes
from keeptrace.restore.policy import BUILTINS
from keeptrace.restore.restore import restore


def raised(function: Callable[[], object]) -> BaseException:
    with pytest.raises(Exception) as info:
        function()
    return info.value


def test_an_own_pickle_that_drops_an_attribute() -> None:
    """A stand-in tells more than the None that the class's own pickle puts there."""
    exc: Any = from_bytes(to_bytes(raised(tasks.lose_pool), Options()))
    assert type(exc) is tasks.PoolError and str(exc) == "timeout of the pool"
    assert exc.message == "timeout" and exc.pool.host == "a.example"


def test_a_message_that_names_an_object_with_a_signature() -> None:
    """A descriptor `__signature__` is no column or relation, so str() makes the message, as ever."""
    exc = raised(tasks.find_no_loop)
    restored = restore(pickle.loads(pickle.dumps(capture(exc, Options()))), BUILTINS)
    assert str(restored) == "no loop for add"


def test_a_message_of_numpy() -> None:
    """The text of an error that holds a ufunc."""
    numpy = pytest.importorskip("numpy")
    exc = raised(lambda: numpy.add("a", 1))
    assert str(from_bytes(to_bytes(exc, Options()))) == str(exc)


def test_a_message_with_a_model_of_pydantic() -> None:
    """The text of the model."""
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Item", quantity=(int, ...))
    restored = restore(capture(ValueError(model(quantity=3)), Options()), BUILTINS)
    assert str(restored) == "quantity=3"


def test_values_leave_time_for_messages() -> None:
    """The walk stops reading values before the deadline: the text of an exception comes last."""
    cuts: dict[str, int] = {}
    told: list[object] = []
    # a fifth of an hour is more than the minute that is left
    walk = Walk(Options(max_seconds=3600, max_items=-1), {}, cuts, time.monotonic() + 60)
    walk.ref([[number] for number in range(1_000)], 3)
    walk.later(lambda: "the text", told.append)
    walk.drain()
    walk.finish()
    assert cuts["max_seconds"] > 0 and told == ["the text"]
