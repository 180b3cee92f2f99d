"""Writes the reprs that dataclasses, namedtuple, enum, attrs and pydantic generate.

The class lists the fields in order, so the generated method need not run: fields are read from the
object's storage, never through a property. If a class contradicts itself (wrong type or number of
fields), the text has the object's state, like the text of any object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..core.raw import (
    ABSENT,
    attribute_of,
    instance_dict,
    is_looked_up_plainly,
    loaded,
    mro_of,
    name_of,
    names_of,
    namespace_of,
    qualname_of,
    stored,
)

if TYPE_CHECKING:
    from .text_writer import TextWriter

# (fields of one object)
_MOST_FIELDS: Final = 1_000


def dataclass(writer: TextWriter, value: object, cls: type) -> None:
    pairs = _of_dataclass(value, cls)
    if pairs is None:
        writer.by_user(value, cls)
    else:
        writer.fields(qualname_of(cls), pairs)


def _of_dataclass(value: object, cls: type) -> list[tuple[str, Any]] | None:
    _owner, fields = attribute_of(mro_of(cls), "__dataclass_fields__")
    if type(fields) is not dict:
        return None
    field_type = loaded("dataclasses", "Field")
    true_field = loaded("dataclasses", "_FIELD")  # neither a ClassVar nor an InitVar
    shown = []
    for name, field in fields.items():
        if type(field) is not field_type:
            return None
        if field._field_type is true_field and field.repr is True:
            shown.append(name)
    return _stored_pairs(value, cls, shown)


def _stored_pairs(value: object, cls: type, names: list[Any]) -> list[tuple[str, Any]] | None:
    """Names with stored values; None if Python's look-up may give different values."""
    if len(names) > _MOST_FIELDS:
        return None
    if any(type(name) is not str for name in names):
        return None
    if not is_looked_up_plainly(mro_of(cls)):
        return None
    pairs = [(name, stored(value, name)) for name in names]
    if any(item is ABSENT for _, item in pairs):
        return None
    return pairs


def named_elements(value: Any) -> list[tuple[str, Any]] | None:
    """The elements of a named tuple with their names; None if names and elements differ."""
    _owner, names = attribute_of(mro_of(type(value)), "_fields")
    if type(names) is not tuple or len(names) != tuple.__len__(value):
        return None
    if any(type(name) is not str for name in names):
        return None
    return list(zip(names, tuple.__iter__(value)))


def namedtuple(writer: TextWriter, value: object, cls: type) -> None:
    pairs = named_elements(value)
    if pairs is None:
        writer.by_user(value, cls)
    else:
        writer.fields(name_of(cls), pairs)


def enum(writer: TextWriter, value: object, cls: type) -> None:
    name = stored(value, "_name_")
    inner = stored(value, "_value_")
    own_repr = namespace_of(cls).get("_value_repr_")  # of a mixed-in data type
    if type(name) is not str or inner is ABSENT or own_repr is not None:
        return writer.by_user(value, cls)
    writer.put(f"<{name_of(cls)}.{name}: ")
    writer.write(inner)
    return writer.put(">")


def attrs(writer: TextWriter, value: object, cls: type) -> None:
    _owner, fields = attribute_of(mro_of(cls), "__attrs_attrs__")
    names: list[Any] = []
    for field in tuple.__iter__(fields):
        shown = stored(field, "repr")
        if type(shown) is not bool:  # a function of the program's makes the text
            return writer.by_user(value, cls)
        if shown:
            names.append(stored(field, "name"))
    pairs = _stored_pairs(value, cls, names)
    if pairs is None:
        return writer.by_user(value, cls)
    _module, qualname = names_of(cls)
    _, _, name = qualname.rpartition(">.")  # without the functions around: f.<locals>.
    return writer.fields(name, pairs)


def _named(namespace: dict[Any, Any]) -> list[tuple[str, Any]]:
    return [(name, item) for name, item in dict.items(namespace) if type(name) is str]


def _is_shown(field: object) -> bool:
    """Whether pydantic's repr shows a field."""
    return field is not None and stored(field, "repr") is True


def pydantic(writer: TextWriter, value: object, cls: type) -> None:
    """The fields, then extra fields. A class with computed fields runs code to show them."""
    mro = mro_of(cls)
    _owner, computed = attribute_of(mro, "__pydantic_computed_fields__")
    _owner, fields = attribute_of(mro, "__pydantic_fields__")
    if computed or type(fields) is not dict:
        return writer.by_user(value, cls)
    pairs: list[tuple[str, Any]] = []
    for name, item in _named(instance_dict(value)):
        if _is_shown(fields.get(name)):
            pairs.append((name, item))
    extra = stored(value, "__pydantic_extra__")
    if type(extra) is dict:
        pairs += _named(extra)
    if len(pairs) > _MOST_FIELDS:
        return writer.by_user(value, cls)
    return writer.fields(name_of(cls), pairs)
