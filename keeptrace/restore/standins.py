"""Stand-ins: objects that replace originals, and show the report's facts about them."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from .once import made_once

MARK: Final = "__keeptrace_standin__"


class StandIn:
    """Stands for an object, with the type's name, the repr, the true length, and the attributes
    down to the depth.
    """

    # The details are in a slot: vars() and dir() show the object's own attributes alone.
    __slots__ = (MARK,)

    def __repr__(self) -> str:
        return known_details(self).text

    def __str__(self) -> str:
        details = known_details(self)
        if details.string is None:
            return repr(self)
        return details.string

    def __getattr__(self, name: str) -> Any:
        details = known_details(self)
        if name in details.dir and not name.startswith(("__", *_PROTOCOLS)):
            return _known_attribute(self, name)
        raise AttributeError(_no_attribute(self, name), name=name, obj=self)

    def __dir__(self) -> Iterable[str]:
        details = known_details(self)
        if details.dir:
            return sorted({*vars(self), *details.dir})
        return vars(self)

    def __call__(self, *args: object, **kwargs: object) -> Any:
        raise TypeError(f"{self!r} cannot be called: {what_it_is(self)}")

    def __reduce_ex__(self, protocol: object) -> Any:
        raise TypeError(
            f"{self!r} cannot be pickled on its own: {what_it_is(self)}; "
            "keeptrace.dumps(exception) keeps it"
        )


class _Sized:
    """The protocol of containers, for stand-ins of objects with a length."""

    __slots__ = ()

    def __len__(self) -> int:
        return known_details(self).length or 0

    def __iter__(self) -> Iterator[Any]:
        details = known_details(self)
        yield from details.items
        missing = len(self) - len(details.items)
        if missing > 0:
            raise LookupError(
                f"{missing} of the {len(self)} elements were not kept: {what_it_is(self)}"
            )

    def __getitem__(self, key: object) -> Any:
        details = known_details(self)
        if details.pairs is not None:
            if key in details.pairs:
                return details.pairs[key]
            if len(details.pairs) == len(self):
                raise KeyError(key)
        elif isinstance(key, (slice, int)):
            wanted: int | range = range(len(self))[key]  # raises IndexError like the original
            kept = range(len(details.items))
            if isinstance(wanted, int):
                if wanted in kept:
                    return details.items[wanted]
            elif all(index in kept for index in (*wanted[:1], *wanted[-1:])):
                return [details.items[index] for index in wanted]
        raise LookupError(f"element {key!r} was not kept: {what_it_is(self)}")

    def __contains__(self, value: object) -> bool:
        details = known_details(self)
        if value in details.items:
            return True
        if len(details.items) < len(self):
            raise LookupError(
                f"not among the {len(details.items)} elements that were kept: {what_it_is(self)}"
            )
        return False

    def keys(self) -> Iterable[Any]:
        return self._mapping("keys").keys()

    def values(self) -> Iterable[Any]:
        return self._mapping("values").values()

    def items(self) -> Iterable[Any]:
        return self._mapping("items").items()

    def get(self, key: object, default: object = None) -> object:
        pairs = self._mapping("get")
        if key in pairs:
            return pairs[key]
        if len(pairs) < len(self):  # the pair may be cut: raises LookupError
            return self[key]
        return default

    def _mapping(self, name: str) -> dict[Any, Any]:
        pairs = known_details(self).pairs
        if pairs is None:
            raise AttributeError(_no_attribute(self, name))
        return pairs


# Beginnings of names of attributes that tools call, or take for addresses. Before Python 3.13 the
# interpreter prints an object with a `print_file_and_line` as a SyntaxError, and fails without a
# number as the line.
_PROTOCOLS: Final = (
    *("_repr_", "_ipython_", "_render_traceback_", "_as_parameter_"),
    "print_file_and_line",
)
_ATOMS: Final = frozenset({type(None), bool, int, float, str})


def aside_name(name: str) -> str:
    """The name in vars() for an attribute that must not be found under its own name."""
    return f"[{name}]"


def is_protocol(name: str, value: object) -> bool:
    """Whether a tool would act on this attribute: numpy reads memory at an __array_interface__."""
    is_special = name.startswith("__") and name.endswith("__")
    return name.startswith(_PROTOCOLS) or (is_special and type(value) not in _ATOMS)


class Details:
    """The facts of a stand-in, apart from its attributes."""

    __slots__ = ("dir", "items", "length", "node", "pairs", "string", "text", "why")

    def __init__(self, text: str, node: list[Any], why: str = "") -> None:
        self.text: str = text
        # The node in the report: a capture of the restored exception reads the node.
        self.node: list[Any] = node
        self.why: str = why
        self.string: str | None = None  # the text of str(), unless equal to the repr
        self.length: int | None = None
        self.items: Sequence[Any] = []
        self.pairs: dict[Any, Any] | None = None
        self.dir: frozenset[str] = frozenset()


_details_slot: Final = StandIn.__dict__[MARK]


def known_details(standin: object) -> Details:
    details: Details = _details_slot.__get__(standin)
    return details


def what_it_is(standin: object) -> str:
    text = "keeptrace kept a stand-in, not the object"
    why = known_details(standin).why
    if why:
        text += f" ({why})"
    return text


def _no_attribute(standin: object, name: str) -> str:
    kind = type(standin).__name__
    return f"{kind!r} object has no attribute {name!r} that was kept: {what_it_is(standin)}"


def _known_attribute(standin: StandIn, name: str) -> StandIn:
    known = make_stand_in(
        stand_in_class("object", "builtins", False),
        f"<{type(standin).__name__}.{name}: not kept>",
        [],
        "its class has it",
    )
    return known


@made_once(512)
def stand_in_class(qualname: str, module: str, sized: bool) -> type[StandIn]:
    bases: tuple[type, ...] = (StandIn,)
    if sized:
        bases = (StandIn, _Sized)
    name = qualname.rpartition(".")[2] or "object"
    return type(name, bases, {"__module__": module, "__qualname__": qualname, "__doc__": None})


def make_stand_in(cls: type[StandIn], text: str, node: list[Any], why: str = "") -> StandIn:
    standin = object.__new__(cls)
    _details_slot.__set__(standin, Details(text, node, why))
    return standin


def details_of(value: object) -> Details | None:
    """The details of a stand-in, made by any copy of the restorer; None for any other object."""
    for cls in type.__dict__["__mro__"].__get__(type(value)):
        slot = type.__dict__["__dict__"].__get__(cls).get(MARK)
        if type(slot) is types.MemberDescriptorType:
            return slot.__get__(value)  # type: ignore[no-any-return]
    return None
