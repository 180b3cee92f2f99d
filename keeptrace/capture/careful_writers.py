"""Writes the reprs of types of C whose own repr is safe after a check of the parts.

The functions are called as those of capture/writers.py.
"""

from __future__ import annotations

import types
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING, Any, Final

from ..core.raw import instance_dict, loaded, module_dict, name_of
from .kinds import module_name
from .writers import WRITTEN, Write

if TYPE_CHECKING:
    from .text_writer import TextWriter

# str() of an int takes quadratic time, and refuses more than get_int_max_str_digits(). (bits)
_MOST_BITS: Final = 10_000


def text(writer: TextWriter, value: object, owner: Any) -> None:
    """A str or bytes of a subclass; a long text is not copied whole."""
    few = owner.__getitem__(value, slice(0, writer.left + 1))
    writer.put(owner.__repr__(few))


def byte_array(writer: TextWriter, value: bytearray, owner: object) -> None:
    few = bytes(bytearray.__getitem__(value, slice(0, writer.left)))
    writer.put(f"{name_of(type(value))}({few!r})")


def number(writer: TextWriter, value: int, owner: object) -> None:
    bits = int.bit_length(value)
    if bits <= _MOST_BITS:
        writer.put(int.__repr__(value))
    elif bits < 4 * writer.left:
        writer.put(int.__format__(value, "#x"))
    else:
        writer.put(f"<int of {bits} bits>")


def real(writer: TextWriter, value: object, owner: type[object]) -> None:
    """A float or complex number of a subclass."""
    writer.put(owner.__repr__(value))


def module(writer: TextWriter, value: types.ModuleType, owner: object) -> None:
    """A module. The own repr runs only for a module made by the import system."""
    spec = module_dict(value).get("__spec__")
    if type(value) is owner and type(spec) is ModuleSpec and _is_plain_spec(spec):
        writer.put(types.ModuleType.__repr__(value))
    else:
        writer.put(f"<module {module_name(value)!r}>")


def _is_plain_spec(spec: ModuleSpec) -> bool:
    """Whether a module's repr consists of name and file alone."""
    found = instance_dict(spec)
    parts = (("name", str), ("origin", str), ("_set_fileattr", bool))
    return all(type(found.get(name)) is kind for name, kind in parts)


def with_zone(writer: TextWriter, value: object, owner: type[object]) -> None:
    """A time. The repr contains the repr of the zone."""
    zone = owner.__dict__["tzinfo"].__get__(value)
    if zone is None or _is_plain_zone(zone):
        writer.put(owner.__repr__(value))
    else:
        writer.state(value)


def zone(writer: TextWriter, value: object, owner: type[object]) -> None:
    """A zone alone."""
    if _is_plain_zone(value):
        writer.put(owner.__repr__(value))
    else:
        writer.state(value)


def _is_plain_zone(value: Any) -> bool:
    cls = type(value)
    if cls is loaded("zoneinfo", "ZoneInfo"):
        key = cls.__dict__["key"].__get__(value)
        return key is None or type(key) is str
    if cls is not loaded("datetime", "timezone"):
        return False
    offset, *names = value.__getinitargs__()
    is_plain = type(offset) is loaded("datetime", "timedelta")
    return is_plain and all(type(name) is str for name in names)


def pattern(writer: TextWriter, value: object, owner: type[object]) -> None:
    """A pattern or a match. The text may be a mapped file, or of a subclass of the program's."""
    name = "string"
    if owner.__name__ == "Pattern":
        name = "pattern"
    text = owner.__dict__[name].__get__(value)
    if text is None or type(text) in (str, bytes):
        writer.put(owner.__repr__(value))
    else:
        writer.state(value)


CAREFUL: Final[dict[int, Write]] = {
    id(str): text,
    id(bytes): text,
    id(bytearray): byte_array,
    id(int): number,
    id(types.ModuleType): module,
}
# By module and name, because the table must not import the modules.
CAREFUL_BY_NAME: Final[dict[tuple[str, str], Write]] = {
    ("datetime", "datetime"): with_zone,
    ("datetime", "time"): with_zone,
    ("datetime", "timezone"): zone,
    ("zoneinfo", "ZoneInfo"): zone,
    ("re", "Pattern"): pattern,
    ("re", "Match"): pattern,
}
# Functions for the contents of an instance of a subclass
CONTENTS: Final[dict[int, tuple[Any, Write]]] = {
    **WRITTEN,
    id(str): (str, text),
    id(bytes): (bytes, text),
    id(bytearray): (bytearray, byte_array),
    id(int): (int, number),
    id(float): (float, real),
    id(complex): (complex, real),
}
