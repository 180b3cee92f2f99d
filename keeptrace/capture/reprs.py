"""Bounded reprs of values, made without the program's code where possible.

The text is the same as `repr()`, up to the bound; a longer text ends in "...". By default a
class's own `__repr__` never runs. keeptrace follows a plain `__repr__` step by step
(capture/plain_code.py); otherwise the text has the object's state. A failing repr costs the text of
this value alone.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn

from ..core.guard import stack_is_short
from ..core.raw import attribute_of, class_attribute, mro_of, names_of, qualname_of, state_of
from . import array_likes
from . import generated as _generated
from .careful_writers import CAREFUL, CAREFUL_BY_NAME, CONTENTS
from .exact import is_exact_value, plain_text
from .kinds import Kind
from .plain_code import NotPlain
from .types import TypeInfo, info_of
from .writers import WRITTEN, full_name, typed_array

_SMALL: Final = 1 << 63  # integers below need no second look
# (levels of nested containers)
_LEVELS: Final = 12
# Each nested user-defined repr takes some frames of the stack. (levels)
_MOST_OWN: Final = 6
# Attributes in the text of an object's state; the stand-in has all attributes. (attributes)
_MOST_TOLD: Final = 8
# Attributes read for the choice. (attributes)
_MOST_STATE: Final = 100
_AGAIN: Final = {id(list): "[...]", id(tuple): "(...)", id(dict): "{...}"}  # repr() of a cycle


class NeedsUserCode(Exception):
    """The repr needs the program's code, and the options let it run."""


class _Full(Exception):
    """The text has reached its bound."""


def address_text(value: object) -> str:
    """The text of object.__repr__."""
    return f"<{full_name(type(value))} object at {id(value):#x}>"


class Renderer:
    """Makes reprs of at most `most` characters.

    run_reprs: as in Options. With True, a repr by the program's code raises NeedsUserCode.
    """

    def __init__(
        self, most: int, run_reprs: bool | None, infos: dict[int, TypeInfo] | None = None
    ) -> None:
        self.failed = 0  # values whose repr could not be made
        self._most = most
        self._user: Callable[[Writer, Any], None] = Writer.tell
        if run_reprs is True:
            self._user = _refuse
        if infos is None:
            infos = {}
        self._infos: dict[int, TypeInfo] = infos

    def info(self, cls: type) -> TypeInfo:
        """The facts of a class, from the cache if possible."""
        found = self._infos.get(id(cls))
        if found is None:
            found = self._infos[id(cls)] = info_of(cls)
        return found

    def __call__(self, value: object) -> str:
        """The repr. Raises NeedsUserCode if run_reprs is True and the repr is the program's."""
        return self._write(Writer.write, value, self._user)

    def with_user_code(self, value: object) -> str:
        """The repr, made with the program's code: call this under guard."""
        return self._write(Writer.write, value, Writer.run)

    def string(self, value: object) -> str:
        """The text of str(), made without the program's code."""
        return self._write(
            lambda writer, value: writer.put(writer.str_of(value)), value, Writer.tell
        )

    def cut(self, text: str) -> str:
        """A text within the bound."""
        if len(text) <= self._most:
            return text
        return f"{text[: self._most]}..."

    def fields(self, name: str, pairs: Iterable[tuple[str, Any]]) -> str:
        """name(field=value, ...), made without the program's code."""
        return self._write(lambda writer, found: writer.fields(name, found), pairs, Writer.tell)

    def followed(self, function: object, value: object) -> str | None:
        """The result of `function(value)`, a __repr__ or __str__; None unless the code is plain."""
        writer = Writer(self, self._most, Writer.tell)
        try:
            return writer.follow(function, value)
        except NotPlain:
            return None

    def _write(
        self,
        write: Callable[[Writer, Any], None],
        value: object,
        user: Callable[[Writer, Any], None],
    ) -> str:
        writer = Writer(self, self._most, user)
        try:
            write(writer, value)
        except _Full:
            return writer.text()[: self._most] + "..."
        except _Changed:
            return writer.text()[: self._most] + "... (changed while it was read)"
        return writer.text()


class _Changed(Exception):
    """Another thread changed a container during the reading."""


def _refuse(writer: Writer, value: object) -> NoReturn:
    raise NeedsUserCode


class Writer:
    """Collects the parts of one text, up to a bound."""

    __slots__ = ("_own", "_states", "active", "left", "parts", "renderer", "user")

    def __init__(self, renderer: Renderer, most: int, user: Callable[[Writer, Any], None]) -> None:
        self.renderer: Renderer = renderer
        self.left: int = most
        self.user: Callable[[Writer, Any], None] = user
        self.parts: list[str] = []
        self.active: list[int] = []
        self._own = 0  # how many nested __repr__s of the program are being followed
        self._states = 0  # depth of nested states

    def text(self) -> str:
        return "".join(self.parts)

    def put(self, text: str) -> None:
        self.parts.append(text)
        self.left -= len(text)
        if self.left < 0:
            raise _Full

    # -- values

    def write(self, value: Any, lead: str = "") -> None:
        """Writes `lead`, then the repr of any value. A mark replaces a failing repr.

        The hot path of a capture: a single function, and a single put() for a short text.
        """
        cls = type(value)
        is_small = cls is int and -_SMALL < value < _SMALL
        if is_small or value is None or cls is bool or cls is float:
            text = repr(value)
        elif cls is str or cls is bytes:
            text = repr(value[: self.left + 1])
        elif id(value) in self.active:
            text = _AGAIN.get(id(cls), "...")
        elif len(self.active) >= _LEVELS:
            text = "..."
        else:
            self._guarded(value, cls, lead)
            return
        self.put(lead + text)

    def _guarded(self, value: object, cls: type, lead: str) -> None:
        """Writes `lead`, then the repr of a value that may fail."""
        if lead:
            self.put(lead)
        parts, left, active, states = len(self.parts), self.left, len(self.active), self._states
        self.active.append(id(value))
        try:
            _WRITERS[self.renderer.info(cls).kind](self, value, cls)
            self.active.pop()
        except (_Full, _Changed, NeedsUserCode):
            raise
        except BaseException as problem:  # a repr may raise anything: costs this value's text
            if isinstance(problem, RecursionError) and stack_is_short():
                raise
            if isinstance(problem, SystemExit) and self.user is Writer.run:
                raise  # the guard ends its thread with SystemExit
            del self.parts[parts:], self.active[active:]
            self.left, self._states = left, states
            self.renderer.failed += 1
            why = f"whose repr raised {qualname_of(type(problem))}"
            self.put(f"<{qualname_of(cls)} object at {id(value):#x}, {why}>")

    def default(self, value: object, cls: type) -> None:
        self.put(address_text(value))

    def atom(self, value: object, cls: object) -> None:
        owner, function = attribute_of(mro_of(cls), "__repr__")
        careful = CAREFUL.get(id(owner)) or CAREFUL_BY_NAME.get(names_of(owner))
        if careful is not None:
            careful(self, value, owner)
        else:
            self.put(function(value))

    def stdlib(self, value: object, cls: type) -> None:
        text = plain_text(value, "__repr__")
        if text is None:
            self.tell(value)
        else:
            self.put(text)

    def builtin(self, value: object, cls: type) -> None:
        """Writes with the methods of the repr's own class, not with a subclass's."""
        owner = cls
        if id(cls) not in WRITTEN:
            owner = attribute_of(mro_of(cls), "__repr__")[0]
        writer = WRITTEN.get(id(owner))
        if writer is None:
            typed_array(self, value, owner)
        else:
            writer[1](self, value, owner)

    def summary(self, value: object, cls: type) -> None:
        summarise = self.renderer.info(cls).summary
        if summarise is not None:
            write = summarise(value).text
            if callable(write):
                write(self)
            else:
                self.put(write)

    def by_user(self, value: object, cls: type) -> None:
        self.user(self, value)

    # -- in place of the program's own __repr__

    def run(self, value: object) -> None:
        """Runs the __repr__, unless the value is an array."""
        if array_likes.is_array_like(value):
            self.put(array_likes.told(value) or address_text(value))
        else:
            self.put(repr(value))

    def tell(self, value: object) -> None:
        """Follows a plain __repr__; otherwise writes the object's state, or an array's shape."""
        text = array_likes.told(value)
        if text is not None:
            return self.put(text)
        function = class_attribute(mro_of(type(value)), "__repr__")
        try:
            return self.put(self.follow(function, value))
        except NotPlain:
            return self.state(value)

    def follow(self, function: object, value: object) -> str:
        """The result of a plain `function(value)`. Raises NotPlain."""
        from .plain_steps import follow

        if self._own >= _MOST_OWN:
            raise NotPlain
        self._own += 1
        try:
            return follow(function, value, self)
        finally:
            self._own -= 1

    def _nested(self, write: Callable[[Writer], None]) -> str:
        """A separate text, within the same bound."""
        nested = Writer(self.renderer, max(self.left, 0), Writer.tell)
        nested.active, nested._own, nested._states = self.active, self._own, self._states
        before = len(self.active)
        try:
            write(nested)
        except _Full:
            del self.active[before:]
        return nested.text()

    def repr_of(self, value: object) -> str:
        return self._nested(lambda nested: nested.write(value))

    def str_of(self, value: Any) -> str:
        """The text of str() for a text, an exact value or a plain __str__; else the repr."""
        cls = type(value)
        if cls is str:
            return value  # type: ignore[no-any-return]  # cls is its exact type
        owner, function = attribute_of(mro_of(cls), "__str__")
        if owner is str:
            return str.__str__(value)
        if owner is not object and is_exact_value(value):
            return str(value)
        if type(function) is types.FunctionType and id(value) not in self.active:
            try:
                return self.follow(function, value)
            except NotPlain:
                return plain_text(value, "__str__") or self._nested(lambda it: it.state(value))
        return self.repr_of(value)

    def state(self, value: object) -> None:
        """Writes type, elements and attributes, in place of the program's own repr."""
        if self._states:  # within another object's state the address is enough
            return self.put(address_text(value))
        base = next((parent for parent in mro_of(type(value)) if id(parent) in CONTENTS), None)
        if base is type:
            return CONTENTS[id(type)][1](self, value, type)
        pairs = self._told_attributes(value)
        if base is tuple:
            named = _generated.named_elements(value)
            if named is not None:  # redaction finds secrets by the names of elements
                base, pairs = None, [*named, *pairs]
        if base is None and not pairs:
            return self.put(address_text(value))
        return self._put_state(value, base, pairs)

    def _put_state(self, value: object, base: type | None, pairs: list[tuple[str, Any]]) -> None:
        """Writes the contents, in the style of the builtin base, and the first attributes."""
        self._states += 1
        self.put(f"<{qualname_of(type(value))} object: ")
        lead = ""
        if base is not None:
            CONTENTS[id(base)][1](self, value, base)
            lead = ", "
        for name, item in pairs[:_MOST_TOLD]:
            self.write(item, f"{lead}{name}=")
            lead = ", "
        if len(pairs) > _MOST_TOLD:
            self.put(", ...")
        self._states -= 1
        self.put(">")

    def _told_attributes(self, value: object) -> list[tuple[str, Any]]:
        """The public attributes; without public attributes, the private attributes."""
        every = list(state_of(value, _MOST_STATE).items())
        public = [pair for pair in every if not pair[0].startswith("_")]
        return public or [pair for pair in every if not pair[0].startswith("__")]

    # -- parts

    def items(self, found: Iterable[Any]) -> None:
        lead = ""
        try:
            for item in found:
                self.write(item, lead)
                lead = ", "
        except RecursionError:
            raise
        except RuntimeError:  # from the container: write() handles errors of elements
            raise _Changed from None

    def pairs(self, found: Iterable[tuple[Any, Any]]) -> None:
        lead = ""
        self.put("{")
        try:
            for key, item in found:
                self.write(key, lead)
                self.write(item, ": ")
                lead = ", "
        except RecursionError:
            raise
        except RuntimeError:
            raise _Changed from None
        self.put("}")

    def fields(self, name: str, pairs: Iterable[tuple[str, Any]]) -> None:
        self.put(f"{name}(")
        lead = ""
        for key, item in pairs:
            self.write(item, f"{lead}{key}=")
            lead = ", "
        self.put(")")

    def call(self, name: str, *parts: str | Callable[[], object]) -> None:
        """Writes name(parts). A part is a text, or a function that writes the part."""
        self.put(f"{name}(")
        for part in parts:
            if isinstance(part, str):
                self.put(part)
            else:
                part()
        self.put(")")


_WRITERS: Final[dict[Kind, Callable[[Writer, Any, Any], None]]] = {
    Kind.DEFAULT: Writer.default,
    Kind.ATOM: Writer.atom,
    Kind.STDLIB: Writer.stdlib,
    Kind.BUILTIN: Writer.builtin,
    Kind.DATACLASS: _generated.dataclass,
    Kind.NAMEDTUPLE: _generated.namedtuple,
    Kind.ENUM: _generated.enum,
    Kind.ATTRS: _generated.attrs,
    Kind.PYDANTIC: _generated.pydantic,
    Kind.SUMMARY: Writer.summary,
    Kind.USER: Writer.by_user,
}
