"""Options: validated once, immutable, and each default is what its reason says."""

from __future__ import annotations

import ast
import copy
import inspect
import pickle
import sys

import pytest

import keeptrace
from keeptrace import OptionError, Options
from keeptrace.core.options import _BOUNDS, _SWITCHES, DEFAULT, as_limit, make_options


@pytest.mark.parametrize("name", _BOUNDS)
def test_bounds_are_checked(name: str) -> None:
    """Each bound takes its least value and refuses what is below it, and what is no number; the
    message names it and its unit.
    """
    default, least, unit = _BOUNDS[name]
    assert getattr(Options(), name) == default
    assert getattr(Options(**{name: int(least)}), name) == least
    with pytest.raises(
        OptionError, match=f"{name} must be at least {int(least)} {unit}, not {int(least) - 1}"
    ):
        Options(**{name: int(least) - 1})
    for wrong in ("3", None, True, [], 1j, float("nan")):
        with pytest.raises(OptionError, match=name):
            Options(**{name: wrong})


def test_only_seconds_may_be_fractions() -> None:
    """Time may be a fraction; what is counted may not."""
    assert Options(max_seconds=0.25).max_seconds == 0.25
    with pytest.raises(OptionError, match=r"depth must be a number of levels, not 2\.5"):
        Options(depth=2.5)


@pytest.mark.parametrize("name", _SWITCHES)
def test_switches_are_checked(name: str) -> None:
    """A switch is True or False, nothing that only counts as such; None where its default is None."""
    allowed = {True, False, _SWITCHES[name]}
    for value in allowed:
        assert getattr(Options(**{name: value}), name) is value
    for wrong in (1, 0, "yes", *({None} - allowed)):
        with pytest.raises(OptionError, match=f"{name} must be True(,| or) False"):
            Options(**{name: wrong})


def test_pickler() -> None:
    """None, a name, the module of that name, or a function."""
    assert Options().pickler is None
    assert Options(pickler="dill").pickler == "dill"
    assert Options(pickler=pickle).pickler == "pickle"
    assert Options(pickler=pickle.dumps).pickler is pickle.dumps
    for wrong in ("marshal", 3, copy, b"pickle"):
        with pytest.raises(
            OptionError, match="pickler must be pickle, cloudpickle, dill, a dumps callable or None"
        ):
            Options(pickler=wrong)  # type: ignore[arg-type]


def test_redact() -> None:
    """None, a switch, or a function."""
    for value in (None, True, False, len):
        assert Options(redact=value).redact is value  # type: ignore[arg-type]
    with pytest.raises(
        OptionError, match="redact must be True, False, None, a keeptrace.Redaction, or a callable"
    ):
        Options(redact="all")  # type: ignore[arg-type]


def test_unknown_names() -> None:
    """A misspelt option is refused, and all that there are are listed."""
    with pytest.raises(
        OptionError, match="there is no option 'dept'; the options are depth, limit"
    ):
        Options(dept=3)


def test_immutable() -> None:
    """Options cannot be changed; replace() makes others."""
    options = Options(depth=2)
    with pytest.raises(AttributeError, match="use .replace"):
        options.depth = 3
    with pytest.raises((AttributeError, TypeError)):
        del options.depth
    assert options.replace(depth=5, limit=7) == Options(depth=5, limit=7) and options.depth == 2
    assert options.replace() is options
    with pytest.raises(OptionError):
        options.replace(depth=-2)


def test_equality_hash_and_copies() -> None:
    """Equal options are interchangeable, also after a pickle or a copy."""
    options = Options(depth=2, max_seconds=0.5, pickler="dill", redact=True, run_reprs=False)
    for other in (
        pickle.loads(pickle.dumps(options)),
        copy.copy(options),
        copy.deepcopy(options),
        Options(**dict(options.items())),
    ):
        assert other == options and hash(other) == hash(options)
    assert options != Options() and options != "options"
    assert {Options(): 1}[Options()] == 1


def test_repr() -> None:
    """Shows what differs from the defaults, as it would be written."""
    assert repr(Options()) == "Options()"
    assert repr(Options(depth=1, run_reprs=False)) == "Options(depth=1, run_reprs=False)"
    assert eval(repr(Options(limit=-1, pickler="dill")), {"Options": Options}) == Options(
        limit=-1, pickler="dill"
    )


def test_make_options() -> None:
    """Options with changes on top; anything else is refused."""
    assert make_options() == DEFAULT
    assert make_options(Options(depth=1), limit=5) == Options(depth=1, limit=5)
    with pytest.raises(OptionError, match=r"must be a keeptrace\.Options, not dict"):
        make_options({"depth": 1})  # type: ignore[arg-type]


def test_errors_are_one_family() -> None:
    """except KeepTraceError, or ValueError, catches a wrong option."""
    with pytest.raises(keeptrace.KeepTraceError):
        Options(depth="x")
    with pytest.raises(ValueError):
        Options(depth="x")


@pytest.mark.parametrize("number, expected", [(-1, True), (5, False), (0, False)])
def test_no_limit(number: int, expected: bool) -> None:
    """-1 compares as larger than anything there is."""
    assert (as_limit(number) > 10**15) is expected


def test_every_option_is_documented() -> None:
    """The docstring tells the meaning of each option."""
    documented = Options.__doc__ or ""
    for name in Options.__slots__:
        assert f"{name}:" in documented, name


def test_every_option_is_typed() -> None:
    """Type checkers and editors know each option, as an attribute and as an argument."""
    assert Options.__annotations__.keys() == set(Options.__slots__)
    source = inspect.getsource(sys.modules[Options.__module__])
    arguments = {
        statement.target.id
        for found in ast.walk(ast.parse(source))
        if isinstance(found, ast.ClassDef) and found.name.endswith("Options") and found.bases
        for statement in found.body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    }
    assert arguments == set(Options.__slots__)


def test_every_public_name() -> None:
    """Each public name can be had from the package, and nothing else."""
    for name in keeptrace.__all__:
        assert getattr(keeptrace, name) is not None
        assert name in dir(keeptrace)
    with pytest.raises(AttributeError, match="module 'keeptrace' has no attribute 'unknown'"):
        keeptrace.unknown  # type: ignore[attr-defined]
