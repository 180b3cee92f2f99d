"""Summaries of large values, and the texts of the values in summaries.

A summary needs no copy and no full repr, and never imports a library. None of the program's code
runs: a summary shows a value only if the class is Python's own or a known library's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from ..core.raw import loaded, mro_of, name_of, names_of, qualname_of
from .exact import is_exact_value

if TYPE_CHECKING:
    import numpy

    from .text_writer import TextWriter

# A single value in the text. (characters)
MOST_VALUE: Final = 80
# Enough values to show the kind of data. (values)
FEW: Final = 10

# Behind "://": user and password, up to the host.
_USER: Final = re.compile(r"[^\s/\"'<>]{1,300}@")
# A cut bytes value may end within a URL of at most this length. (characters)
_MOST_URL: Final = 400
_ATOMS: Final = (int, float, bool, str, bytes, complex, type(None))
_NOTHING: Final[dict[str, Any]] = {}


class Summary(
    NamedTuple(
        "Summary",
        [
            ("text", str | Callable[[Any], None]),
            ("facts", dict[str, Any]),
            ("length", int | None),
            ("held", dict[str, Any]),
            ("has_state", bool),
        ],
    )
):
    """A description of a value, in place of the value's state.

    text: the repr, or a function that writes the repr.
    facts: attributes of plain data.
    length: the true length.
    held: attributes with the program's objects, read down to the depth of the report.
    has_state: whether the report keeps the object's own attributes, too.
    """

    __slots__ = ()

    def __new__(
        cls,
        text: str | Callable[[TextWriter], None],
        facts: dict[str, Any] = _NOTHING,
        length: int | None = None,
        held: dict[str, Any] = _NOTHING,
        has_state: bool = False,
    ) -> Summary:
        return super().__new__(cls, text, facts, length, held, has_state)


Summarise: TypeAlias = Callable[[Any], Summary]
# Takes the class with the summary, perhaps a base of the value's class, and the value
SummariseAs: TypeAlias = Callable[[Any, Any], Summary]
# (module, class) → the function that summarises an instance
Table: TypeAlias = dict[tuple[str, str], SummariseAs]


def is_atom(value: object) -> bool:
    """Whether a value is of a builtin class without parts."""
    return type(value) in _ATOMS


def is_of(cls: type, package: str, base: str | None) -> bool:
    """Whether a class is a library's own: a module of the library exports the class by name."""
    module, qualname = names_of(cls)
    outermost, _, _ = module.partition(".")
    if outermost != package or loaded(module, qualname) is not cls:
        return False
    if base is None:
        return True
    found = loaded(package, base)
    return any(parent is found for parent in mro_of(cls))


def beginning(text: str, most: int = MOST_VALUE) -> str:
    """The first characters of a text. Redaction recognises a URL's password by the host after the
    password. If the cut would lose the host, the text loses the password, too.
    """
    kept = text[:most]
    scheme = kept.rfind("://")
    if len(kept) == len(text) or scheme < 0:
        return kept
    at = scheme + len("://")
    user = _USER.match(text, at)
    is_parted = user is not None and user.end() >= most
    if is_parted:
        return kept[:at]
    return kept


def plain(value: Any) -> Any:
    """A value of an array or column: an atom, or a text made without the program's code."""
    cls = type(value)
    if cls is str:
        return beginning(value)
    if cls is bytes:
        text = value[:_MOST_URL].decode("latin-1")
        return beginning(text).encode("latin-1")
    if cls in _ATOMS:
        return value
    if cls is tuple and len(value) <= FEW:  # a label of several levels
        return tuple(map(plain, value))
    if is_of(cls, "numpy", "generic"):
        return _plain_scalar(value)
    is_moment = is_of(cls, "pandas", None) and _is_plain_moment(value)
    if is_moment or is_exact_value(value):
        return str(value)[:MOST_VALUE]
    return f"<{qualname_of(cls)}>"


def _plain_scalar(value: numpy.generic) -> object:
    """A scalar of numpy as an atom, or as a text."""
    if value.dtype.hasobject or value.dtype.names is not None:
        return f"<{name_of(type(value))}>"
    item = value.item()
    if is_atom(item):
        return item
    return str(value)[:MOST_VALUE]


def _is_plain_moment(value: object) -> bool:
    """Whether a pandas scalar has no zone, or a zone of Python's own."""
    zone = getattr(value, "tzinfo", None)
    known = (loaded("datetime", "timezone"), loaded("zoneinfo", "ZoneInfo"))
    return zone is None or type(zone) in known


def short(value: object) -> str:
    """The text of a plain value."""
    if type(value) is float:
        return f"{value:.6g}"
    return repr(value)


def listed(values: Iterable[object], length: int) -> str:
    """The first of `length` values, in brackets."""
    few = [short(value) for value in values]
    if len(few) < length:
        few.append("...")
    return f"[{', '.join(few)}]"


def described(kind: str, *parts: str, **facts: object) -> str:
    """The text "kind(parts, fact=value)" of an array. Leaves out unknown facts."""
    named = [f"{fact}={value}" for fact, value in facts.items() if value is not None]
    return f"{kind}({', '.join([*parts, *named])})"


def dtype_text(dtype: Any) -> str:
    """A dtype as text, without titles and metadata: these hold objects with the program's reprs."""
    cls = type(dtype)
    if cls is str:
        return str(dtype[:MOST_VALUE])
    if any(parent is type for parent in mro_of(cls)):
        return name_of(dtype)
    is_numpys = any(parent is loaded("numpy", "dtype") for parent in mro_of(cls))
    if not is_numpys and not is_of(cls, "pandas", None):
        return f"<{qualname_of(cls)}>"
    if is_numpys and _holds_objects(dtype):
        return str(dtype.name)
    return str(dtype)


def _holds_objects(dtype: numpy.dtype) -> bool:
    """Whether a dtype of numpy has metadata, or titles of fields."""
    if dtype.metadata is not None:
        return True
    if dtype.names is None:
        return False
    return any(len(field) > 2 for field in dtype.fields.values())
