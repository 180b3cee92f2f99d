"""What one needs to know of a class to read its instances."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, Final

from ..core.raw import layout_of, mro_of, names_of, namespace_of
from ..restore.standins import MARK
from .exact import Parts, exact_of
from .kinds import Kind
from .summaries import Summarise, summary_of

# Builtin types whose contents are read also in subclasses.
_BASES: Final = {
    id(cls): cls
    for cls in (
        *(list, tuple, set, frozenset, OrderedDict, dict, deque),
        *(str, bytes, bytearray, int, float),
    )
}


class TypeInfo:
    """The facts of one class, made once per class and capture."""

    __slots__ = (
        *("base", "cls", "dict_of", "exact", "index", "is_class", "is_special", "kind", "module"),
        *("mro", "qualname", "slots", "summary"),
    )

    def __init__(self, cls: type, index: int, kind_of: Callable[[type], Kind]) -> None:
        self.cls = cls  # held, so that its id is not given to another
        self.index = index
        self.module: str
        self.qualname: str
        self.module, self.qualname = names_of(cls)
        self.mro: Any = mro_of(cls)
        self.dict_of: Callable[[Any], Any] | None = None
        self.slots: list[tuple[str, Callable[[Any], Any]]] = []
        self.base: type | None = None  # the builtin container or text that it derives from
        is_stand_in = False
        for parent in self.mro:
            is_stand_in = is_stand_in or MARK in namespace_of(parent)
            if self.base is None and id(parent) in _BASES:
                self.base = parent
            slots, dict_of = layout_of(parent)
            self.slots += slots
            self.dict_of = self.dict_of or dict_of
        self.exact: tuple[str, Parts] | None = exact_of(cls)
        self.kind: Kind = kind_of(cls)
        self.summary: Summarise | None = summary_of(self.mro)
        self.is_class: bool = any(
            cls is type for cls in self.mro
        )  # `in` would ask a metaclass's __eq__
        is_told_otherwise = self.exact is not None or self.summary is not None
        self.is_special: bool = self.is_class or is_stand_in or is_told_otherwise
