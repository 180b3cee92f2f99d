"""Facts of classes, for readers of instances. A table remembers facts across captures."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, Final

from ..core.raw import (
    Slots,
    class_attribute,
    instance_layout_of,
    is_found,
    is_of_c,
    mro_of,
    names_of,
    namespace_of,
)
from ..restore.standins import MARK
from .chosen import Chosen, chosen_of
from .exact import Parts, exact_of
from .kinds import Kind, kind_of
from .summary import Summarise
from .writers import WRITTEN

# Builtin types with contents, read in instances of subclasses, too.
_BASES: Final = {
    id(cls): cls
    for cls in (
        list,
        tuple,
        set,
        frozenset,
        OrderedDict,
        dict,
        deque,
        str,
        bytes,
        bytearray,
        int,
        float,
    )
}


class TypeInfo:
    """The facts of a class."""

    __slots__ = (
        "base",
        "chosen",
        "cls",
        "dict_of",
        "exact",
        "is_class",
        "is_special",
        "kind",
        "module",
        "mro",
        "qualname",
        "repr",
        "slots",
        "summary",
    )

    def __init__(self, cls: type) -> None:
        self.cls: type = cls  # held, so no other class gets the id
        self.module: str
        self.qualname: str
        self.module, self.qualname = names_of(cls)
        self.mro: Any = mro_of(cls)
        self.slots: Slots
        self.dict_of: Callable[[Any], Any] | None
        self.slots, self.dict_of = instance_layout_of(cls)
        self.base: type | None = None  # the nearest builtin container, text or number
        is_stand_in = False
        for parent in self.mro:
            if MARK in namespace_of(parent):
                is_stand_in = True
            if self.base is None and id(parent) in _BASES:
                self.base = parent
        self.exact: tuple[str, Parts] | None = exact_of(cls)
        self.repr: Any = class_attribute(self.mro, "__repr__")
        self.kind: Kind = kind_of(self.mro, WRITTEN)
        from .summary_table import summary_of  # values of Python's plain types need no table

        self.summary: Summarise | None = summary_of(self.mro)
        if self.summary is not None:
            self.kind = Kind.SUMMARY
        self.chosen: Chosen | None = chosen_of(self.mro)
        # `type in self.mro` would run a metaclass's __eq__.
        self.is_class: bool = any(base is type for base in self.mro)
        others = (self.exact, self.summary, self.chosen)
        has_other_node = any(other is not None for other in others)
        self.is_special: bool = self.is_class or is_stand_in or has_other_node

    def is_current(self) -> bool:
        """Whether the program has changed neither bases nor names nor repr of the class."""
        cls = self.cls
        if is_of_c(cls):
            return True
        return (
            mro_of(cls) is self.mro
            and class_attribute(self.mro, "__repr__") is self.repr
            and names_of(cls) == (self.module, self.qualname)
        )

    def is_lasting(self) -> bool:
        """Whether a later capture will find the same: a library may be half imported now."""
        if not is_found(self.cls, self.module, self.qualname):
            return False
        from .summary_table import is_of_summarised_library

        return self.summary is not None or not is_of_summarised_library(self.mro)


# More classes than a large program's failures meet. A full table starts afresh. (classes)
_MOST_KNOWN: Final = 4096
# Facts of lasting classes: a module has the class under its name.
_known: Final[dict[int, TypeInfo]] = {}


def forget() -> None:
    """Empties the table, because summarise() has changed a class's facts."""
    _known.clear()


def info_of(cls: type) -> TypeInfo:
    """The facts of a class, from the table if the table has current facts."""
    found = _known.get(id(cls))
    if found is None or not found.is_current():
        found = TypeInfo(cls)
        if found.is_lasting():
            if len(_known) >= _MOST_KNOWN:
                _known.clear()
            _known[id(cls)] = found
    return found
