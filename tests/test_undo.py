"""What restored exceptions become for engines that set their attributes."""

from __future__ import annotations

import abc
import copy
import pickle
from typing import Any, ClassVar

import pytest
import traced_tasks as tasks

from keeptrace import Options
from keeptrace.concurrent.crossing import to_bytes
from keeptrace.concurrent.reductions import (
    rebuild_for_pebble,
    rebuild_overwritten,
    rebuild_reraised,
    rebuild_wiped,
)

KINDS = tasks.SEALED | tasks.OPEN


class Registering(tasks.Sealed):
    """Knows its subclasses."""

    known: ClassVar[list[type]] = []

    def __init_subclass__(cls, **arguments: Any) -> None:
        Registering.known.append(cls)


class Exiting(tasks.Sealed):
    def __init_subclass__(cls, **arguments: Any) -> None:
        raise SystemExit("no subclasses, please")


class Meta(type):
    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> Any:
        if bases != (tasks.Sealed,):
            raise SystemExit("no subclasses, please")
        return super().__new__(cls, name, bases, namespace)


class OfMeta(tasks.Sealed, metaclass=Meta):
    pass


class Abstract(tasks.Sealed, metaclass=abc.ABCMeta):
    pass


class BelowAbstract(Abstract):
    pass


class OnlyDunder(Exception):
    """Refuses all attributes but the interpreter's."""

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("__"):
            raise AttributeError(name)
        super().__setattr__(name, value)


def sent(kind: str) -> bytes:
    """What a worker sends for an exception with frames and a cause."""
    with pytest.raises(Exception) as info:
        tasks.raise_sealed(kind)
    return to_bytes(info.value, Options())


@pytest.mark.parametrize("cls", [Registering, Exiting, OfMeta])
@pytest.mark.parametrize("rebuild", [rebuild_overwritten, rebuild_wiped])
def test_a_class_that_takes_part_in_the_making_of_subclasses(cls: Any, rebuild: Any) -> None:
    """Its code does not run in the parent, and the engine can set what it sets."""
    exc = rebuild(to_bytes(cls(3), Options()))
    exc.__cause__ = RuntimeError("the engine's text")
    assert isinstance(exc, cls) and exc.args == (3,) and exc.__cause__ is None
    assert exc.__reduce_ex__(2)[0] is type(exc) is cls
    assert Registering.known == []


def test_a_subclass_leaves_the_cache_of_an_abstract_class() -> None:
    """isinstance() with the class of the exception does not change the answers for its own class."""
    cls = type(rebuild_overwritten(to_bytes(Abstract(3), Options())))
    below = BelowAbstract(4)
    assert cls is not Abstract and not isinstance(below, cls)
    assert isinstance(below, Abstract) and issubclass(BelowAbstract, Abstract)


@pytest.mark.parametrize("kind", KINDS)
def test_an_engine_that_sets_the_cause(kind: str) -> None:
    """Then the exception has its own cause and class again."""
    exc = rebuild_overwritten(sent(kind))
    exc.__cause__ = RuntimeError("the engine's text")
    tasks.check_sealed(exc, kind)
    assert type(exc) is type(KINDS[kind]())


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"property"}))
def test_an_engine_that_sets_the_cause_and_replaces_the_traceback(kind: str) -> None:
    """As parsl does: the exception has its own cause, frames and class again."""
    exc = rebuild_reraised(sent(kind))
    exc.__cause__ = RuntimeError("the engine's")
    exc = exc.with_traceback(None)
    tasks.check_sealed(exc, kind)
    assert type(exc) is type(KINDS[kind]())


@pytest.mark.parametrize("kind", KINDS)
def test_an_engine_that_sets_the_traceback_more_than_once(kind: str) -> None:
    """As joblib does. The exception pickles as its own class."""
    exc = rebuild_wiped(sent(kind))
    exc.__cause__ = RuntimeError("the engine's text")
    exc.__traceback__ = None
    exc.__traceback__ = exc.__traceback__
    tasks.check_sealed(exc, kind)
    assert pickle.dumps(exc)
    assert exc.__reduce_ex__(2)[0] is type(exc) is type(KINDS[kind]())


def test_a_copy_has_the_own_class() -> None:
    """copy.copy() asks the class, not the exception, how to copy."""
    exc = rebuild_wiped(sent("sealed"))
    assert type(exc) is not tasks.Sealed and type(copy.copy(exc)) is tasks.Sealed


def test_an_engine_that_sets_an_attribute_of_its_own() -> None:
    """As pebble does, which then leaves the cause as it is if the attribute is refused."""
    exc: Any = rebuild_for_pebble(to_bytes(OnlyDunder(3), Options()))
    exc.traceback = "the engine's text"
    exc.__cause__ = RuntimeError("the engine's text")
    assert type(exc) is OnlyDunder and exc.__cause__ is None
