"""What a failure to read costs: one part of the report, marked there; and the report only at last."""

from __future__ import annotations

import pickle
import types
from collections.abc import Callable
from typing import Any

import pytest

from keeptrace import _capture, _chain, _facts, _frames
from keeptrace._capture import capture
from keeptrace._facts import CodeFacts
from keeptrace._options import Options
from keeptrace._restore import POOL, restore
from keeptrace.concurrent import _boundary


class OrderError(ValueError):
    """An error with an attribute and a text of its own."""

    def __init__(self, number: int) -> None:
        super().__init__(number, "order")
        self.number = number

    def __str__(self) -> str:
        return f"order {self.number}"


def innermost(number: int) -> None:
    price = number * 2
    error = OrderError(number)
    error.add_note(f"note {price}")
    raise error


def outermost(number: int) -> None:
    customer = f"customer {number}"
    innermost(number + len(customer))


def caught(number: int) -> BaseException:
    try:
        outermost(number)
    except OrderError as exc:
        return exc
    raise AssertionError


def family() -> BaseException:
    """A group with a cause and a context, each of two frames and more."""
    cause, context, *children = map(caught, range(4))
    try:
        try:
            raise context
        except OrderError:
            raise ExceptionGroup("several", children) from cause  # type: ignore[type-var]
    except ExceptionGroup as exc:
        return exc


def all_of(exc: BaseException) -> list[BaseException]:
    found = [exc]
    for one in found:
        linked = [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
        found += [other for other in linked if other is not None and other not in found]
    return found


def shown(item: tuple[str, Any]) -> str:
    name, value = item
    if isinstance(value, BaseException):
        return f"{name}: an exception"
    return f"{name}={value if isinstance(value, (int, str)) else type(value).__name__}"


def parts_of(exc: BaseException) -> dict[tuple[Any, ...], Any]:
    """Everything that a report tells of an exception, each part under a name."""
    parts: dict[tuple[Any, ...], Any] = {}
    for number, one in enumerate(all_of(exc)):
        parts[number, "type"] = type(one).__mro__[-2].__name__, type(one).__name__
        parts[number, "args"] = one.args if not isinstance(one, BaseExceptionGroup) else one.message
        parts[number, "text"] = str(one)
        parts[number, "attributes"] = {
            name: value for name, value in vars(one).items() if name != "__notes__"
        }
        parts[number, "notes"] = getattr(one, "__notes__", [])
        entry = one.__traceback__
        at = 0
        while entry is not None:
            frame = entry.tb_frame
            parts[number, at, "name"] = frame.f_code.co_qualname, frame.f_code.co_filename
            parts[number, at, "line"] = entry.tb_lineno
            parts[number, at, "column"] = list(frame.f_code.co_positions())[entry.tb_lasti // 2][1:]
            parts[number, at, "locals"] = sorted(map(shown, frame.f_locals.items()))
            entry, at = entry.tb_next, at + 1
    return parts


class FailingAt:
    """A function one call of which raises."""

    def __init__(self, function: Callable[..., Any], call: int) -> None:
        self.function = function
        self.left = call + 1

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            raise LookupError("the step failed")
        return self.function(*args, **kwargs)


# Each step of reading one frame or one exception, and what may be missing where it raises.
STEPS: dict[str, tuple[Any, str, set[str]]] = {
    "links": (_chain, "linked_to", {"chain"}),
    "class": (_chain, "facts_of_exception", {"attributes", "text"}),
    "type": (_chain.Chain, "_type", {"type", "args", "text"}),
    "cause": (_chain, "cause_of", {"chain"}),
    "children": (_chain, "children_of", {"chain", "type", "args", "text"}),
    "arguments": (_chain, "args_of", {"args", "text"}),
    "attributes": (_chain, "dict_of", {"attributes", "notes"}),
    "group's message": (_chain, "group_message_of", {"args", "text"}),
    "messages": (_chain.Chain, "_message_refs", {"args", "notes", "text"}),
    "text": (_capture.Messages, "_message", {"text"}),
    "notes' texts": (_capture.Messages, "_note_objects", set()),
    "traceback": (_frames, "traceback_of", {"traceback"}),
    "code": (_frames, "facts_of_code", {"frame"}),
    "position": (CodeFacts, "position", {"line", "column"}),
    "variables": (_frames, "read_locals", {"locals"}),
    "globals": (_frames, "_look_up", set()),
    "refs of globals": (_frames.Frames, "_within_room", set()),
    "sources": (_capture, "snapshot", set()),
    "live objects": (_capture._live, "keep", set()),
}  # fmt: skip
SHIFTS = {"chain", "traceback", "frame"}


def fresh_parts(exc: BaseException) -> tuple[dict[tuple[Any, ...], Any], Any]:
    report = capture(exc, Options(), _boundary._dumps)
    return parts_of(restore(pickle.loads(pickle.dumps(report)), POOL)), report


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_raises_costs_its_part_alone(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever step of reading one frame or exception raises, at whichever place: the rest is kept
    exactly, what is missing is marked, and no rung of the ladder is taken."""
    owner, name, may_miss = STEPS[step]
    exc = family()
    whole, _ = fresh_parts(exc)
    for call in range(100):
        _facts._facts.clear()  # they are looked up once
        failing = FailingAt(getattr(owner, name), call)
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, failing)
            found, report = fresh_parts(exc)
        if failing.left > 0:
            break
        assert "fallback" not in report["cuts"]
        assert report["cuts"]["unreadable"] >= 1
        differing = {key for key in whole if found.get(key) != whole[key]}
        if may_miss & SHIFTS:  # what follows has other numbers then
            assert "could not be read" in repr(found) or "frames left out" in repr(found)
            continue
        for key in {key for key in differing if key[-1] == "notes"}:
            differing.discard(key)
            assert found[key][:-1] == whole[key] or "notes" in may_miss
            assert "could not be read" in found[key][-1] or "not kept" in repr(found[key])
        assert {key[-1] for key in differing} <= may_miss
        places = {whole.get((*key[:-1], "name"), key[0]) for key in differing}
        assert len(places) <= 1, "more than one frame or exception"
    assert call >= 1
