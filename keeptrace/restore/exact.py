"""Builds values of the standard library from their parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final


def _path(flavour: str, text: str) -> object:
    import pathlib

    pure: Any = pathlib.PurePosixPath
    concrete: Any = pathlib.PosixPath
    if "Windows" in flavour:
        pure, concrete = pathlib.PureWindowsPath, pathlib.WindowsPath
    if "Pure" in flavour or not isinstance(pathlib.Path(), concrete):
        return pure(text)  # a path of another system can only be pure
    return concrete(text)


def _std(module: str, name: str) -> Callable[..., Any]:
    """A builder that imports the module of the standard library at the first call."""

    def build(*args: object) -> object:
        return getattr(__import__(module), name)(*args)

    return build


def _datetime(*args: object) -> object:
    *parts, tzinfo, fold = args
    return _std("datetime", "datetime")(*parts, tzinfo).replace(fold=fold)


def _time(*args: object) -> object:
    *parts, tzinfo, fold = args
    return _std("datetime", "time")(*parts, tzinfo).replace(fold=fold)


def _fraction(numerator: int, denominator: int) -> object:
    """The fraction as captured: reducing the fraction again would take quadratic time."""
    fraction: Any = _std("fractions", "Fraction")()
    if type(numerator) is not int or type(denominator) is not int or denominator < 1:
        raise ValueError("no fraction")
    fraction._numerator = numerator
    fraction._denominator = denominator
    return fraction


# kind → the function that builds the value from the parts. Capture knows the same kinds.
EXACT: Final[dict[str, Callable[..., Any]]] = {
    "range": range,
    "slice": slice,
    "Ellipsis": lambda: Ellipsis,
    "NotImplemented": lambda: NotImplemented,
    "datetime": _datetime,
    "date": _std("datetime", "date"),
    "time": _time,
    "timedelta": _std("datetime", "timedelta"),
    "timezone": _std("datetime", "timezone"),
    "Decimal": _std("decimal", "Decimal"),
    "Fraction": _fraction,
    "UUID": _std("uuid", "UUID"),  # from the digits
    "PosixPath": lambda text: _path("PosixPath", text),
    "PurePosixPath": lambda text: _path("PurePosixPath", text),
    "WindowsPath": lambda text: _path("WindowsPath", text),
    "PureWindowsPath": lambda text: _path("PureWindowsPath", text),
}
# The standard library's errors for a part of a wrong type.
CANNOT_BUILD: Final = (TypeError, ValueError, ArithmeticError, AttributeError, LookupError)
