"""Values of a report as Python code, for a test that makes the values again.

Literals, containers, values of the standard library, enums, dataclasses and other plain instances,
whole numpy arrays and pandas frames. Every other value becomes None, with an entry in `missing`.
"""

from __future__ import annotations

import math
import re
import sys
import textwrap
from collections.abc import Callable
from typing import Any, Final

from ...core import nodes as schema
from ...core.nodes import Attributes
from ...core.report import Node, Ref, Report
from ...render.nodes import exact_value, raw_text
from ...render.values import ShownValues

# Containers inside one another; a deeper value is missing. (levels)
_LEVELS: Final = 40
# A longer container has a line for each element. (columns)
_COLUMNS: Final = 84
_BRACKETS: Final = {
    "list": ("[", "]"),
    "tuple": ("(", ")"),
    "set": ("{", "}"),
}
_SETS: Final = ("set", "frozenset")
_DOTTED_NAME: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_ENUM: Final = re.compile(r"<\w+\.(?P<member>\w+): .*>", re.DOTALL)
# Subclasses of containers with a constructor that takes the elements.
_FROM_ITEMS: Final = frozenset({"collections.deque", "collections.UserList"})
_FROM_PAIRS: Final = frozenset({"collections.OrderedDict", "collections.Counter"})
# Names of the program's own module, which a test must import under another name.
_MAIN: Final = frozenset({"__main__", "__mp_main__"})


class Rebuilder:
    """Writes values as code, and collects what the code needs.

    module: the name of the program's module. The code has its types as `program.Name`.
    """

    def __init__(self, report: Report, values: ShownValues, module: str) -> None:
        self._types = report["types"]
        self._values = values
        self._module = module
        self.imports: set[str] = set()
        self.missing: list[str] = []
        self.needs_instances: bool = False
        self._active: set[int] = set()
        self._makers = self._all_makers()

    def code(self, ref: Ref, path: str) -> str:
        """An expression that makes the value. path: the place of the value, for `missing`."""
        if type(ref) is not list:
            return _atom(ref)
        (index,) = ref
        if index in self._active or len(self._active) >= _LEVELS:
            return self._none(path, "it holds itself, or is too deep")
        node = self._values.node(ref)
        kind = schema.kind_of(node)
        make = self._makers.get(kind, self._other)
        self._active.add(index)
        try:
            return make(node, path)
        finally:
            self._active.discard(index)

    def type_code(self, index: int) -> str | None:
        """An expression for a type of the report; None for a type without an import path."""
        module, qualname, _ = self._types[index]
        return self._named(str(module), str(qualname))

    def _named(self, module: str, qualname: str) -> str | None:
        if not _DOTTED_NAME.fullmatch(qualname):
            return None
        if module == "builtins":
            return qualname
        if module in _MAIN or module == self._module:
            return f"program.{qualname}"
        if not _DOTTED_NAME.fullmatch(module):
            return None
        self.imports.add(module)
        return f"{module}.{qualname}"

    def _none(self, path: str, why: str) -> str:
        self.missing.append(f"{path}: {why}")
        return "None"

    def _all_makers(self) -> dict[str, Callable[[Node, str], str]]:
        return {
            **dict.fromkeys(schema.CONTAINERS, self._container),
            **dict.fromkeys(schema.TEXTS, self._text),
            "int": self._int,
            "complex": self._complex,
            "exact": self._exact,
            "type": self._type,
            "module": self._imported_module,
            "function": self._function,
            "object": self._object,
            "live": self._live,
        }

    # -- a method for each kind of node

    def _other(self, node: Node, path: str) -> str:
        kind = schema.kind_of(node)
        if kind == "redacted":
            self.missing.append(f"{path}: it was hidden as a secret")
            return "'redacted'"
        return self._none(path, f"a value of the kind {kind}")

    def _int(self, node: Node, path: str) -> str:
        return str(schema.number_of(node))

    def _complex(self, node: Node, path: str) -> str:
        return repr(schema.complex_of(node))

    def _live(self, node: Node, path: str) -> str:
        return self.code(schema.stand_in_of(node), path)

    def _text(self, node: Node, path: str) -> str:
        kind = schema.kind_of(node)
        text = schema.kept_text(node)
        if not schema.is_whole(node):
            left_out = schema.length_of(node) - len(text)
            self.missing.append(f"{path}: {left_out} characters at its end")
        return repr(raw_text(kind, text))

    def _container(self, node: Node, path: str) -> str:
        kind = schema.kind_of(node)
        if kind == "dict":
            return self._dict(node, path)
        refs = schema.items_of(node)
        self._note_cut(node, len(refs), path)
        parts = self._elements(refs, path)
        if kind in _SETS and not parts:
            return f"{kind}()"
        if kind == "frozenset":
            return f"frozenset({joined('[', parts, ']')})"
        if kind == "tuple" and len(parts) == 1:
            return f"({parts[0]},)"
        opening, closing = _BRACKETS[kind]
        return joined(opening, parts, closing)

    def _dict(self, node: Node, path: str) -> str:
        pairs = schema.pairs_of(node)
        self._note_cut(node, len(pairs) // 2, path)
        return joined("{", self._pairs(pairs, path), "}")

    def _note_cut(self, node: Node, kept: int, path: str) -> None:
        cut = schema.length_of(node) - kept
        if cut > 0:
            self.missing.append(f"{path}: {cut} of its elements")

    def _elements(self, refs: list[Ref], path: str) -> list[str]:
        return [self.code(ref, f"{path}[{at}]") for at, ref in enumerate(refs)]

    def _pairs(self, pairs: list[Ref], path: str) -> list[str]:
        parts = []
        for key, value in zip(pairs[::2], pairs[1::2]):
            name = self._values.text(key, 60)
            key_code = self.code(key, f"a key of {path}")
            value_code = self.code(value, f"{path}[{name}]")
            parts.append(f"{key_code}: {value_code}")
        return parts

    def _exact(self, node: Node, path: str) -> str:
        found = exact_value(self._values, node)
        if found is None:
            name = schema.name_of(node)
            return self._none(path, f"a {name} that was not kept whole")
        text = repr(found)
        module, _, _ = type(found).__module__.partition(".")
        if module == "builtins":
            return text
        self.imports.add(module)
        if text.startswith(f"{module}."):
            return text
        return f"{module}.{text}"

    def _type(self, node: Node, path: str) -> str:
        code = self.type_code(schema.type_of(node))
        if code is None:
            return self._none(path, "a local class")
        return code

    def _imported_module(self, node: Node, path: str) -> str:
        name = schema.name_of(node)
        self.imports.add(name)
        return name

    def _function(self, node: Node, path: str) -> str:
        _, module, qualname, _, _ = node
        code = self._named(str(module), str(qualname))
        if code is None:
            return self._none(path, f"the function {qualname}")
        return code

    def _object(self, node: Node, path: str) -> str:
        type_index = schema.type_of(node)
        module, qualname, _ = self._types[type_index]
        full = f"{module}.{qualname}"
        made = self._of_known_type(full, node, path)
        if made is not None:
            return made
        cls = self.type_code(type_index)
        if cls is None or not _has_state(node):
            shown = self._values.type_name(type_index)
            extra = schema.extra_of(node)
            why = extra.get("why") or "its state was not kept"
            return self._none(path, f"a {shown}: {why}")
        member = _enum_member(node)
        if member is not None:
            return f"{cls}.{member}"
        package, _, _ = str(module).partition(".")
        if package in sys.stdlib_module_names:
            return self._none(path, f"a {full}, whose state is not in its attributes alone")
        return self._instance(cls, str(qualname), node, path)

    def _instance(self, cls: str, qualname: str, node: Node, path: str) -> str:
        """An instance of the program's class, made from its elements or attributes."""
        extra = schema.extra_of(node)
        opening = f"{cls}("
        if "items" in extra:  # a named tuple, say
            elements = self._elements(extra["items"], path)
            return joined(opening, elements, ")")
        attributes = schema.attributes_of(node)
        parts = []
        for name, ref in attributes.items():
            code = self.code(ref, f"{path}.{name}")
            parts.append(f"{name}={code}")
        shown = schema.repr_of(node)
        if _is_dataclass_like(shown, qualname, list(attributes)):
            return joined(opening, parts, ")")
        self.needs_instances = True
        return joined("instance(", [cls, *parts], ")")

    def _of_known_type(self, full: str, node: Node, path: str) -> str | None:
        extra = schema.extra_of(node)
        attributes = schema.attributes_of(node)
        if full == "numpy.ndarray":
            return self._array(attributes, path)
        if full in ("pandas.DataFrame", "pandas.core.frame.DataFrame"):
            return self._data_frame(attributes, extra, path)
        if "pairs" in extra:
            return self._of_pairs(full, attributes, extra["pairs"], path)
        if full in _FROM_ITEMS and "items" in extra:
            self.imports.add("collections")
            elements = self._elements(extra["items"], path)
            return joined(f"{full}([", elements, "])")
        return None

    def _of_pairs(
        self, full: str, attributes: Attributes, pairs: list[Ref], path: str
    ) -> str | None:
        """A mapping of the module collections."""
        opening = f"{full}({{"
        if full == "collections.defaultdict":
            factory_ref = attributes.get("default_factory")
            factory = self.code(factory_ref, f"{path}.default_factory")
            opening = f"{full}({factory}, {{"
        elif full not in _FROM_PAIRS:
            return None
        self.imports.add("collections")
        return joined(opening, self._pairs(pairs, path), "})")

    # -- small arrays and frames, whole in their summary

    def _array(self, attributes: Attributes, path: str) -> str:
        first = self._parts(attributes, "first")
        dtype = attributes.get("dtype")
        is_whole = len(first) == attributes.get("size")
        if not is_whole or not _is_plain_dtype(dtype):
            return self._none(path, "an array of which only the beginning was kept")
        self.imports.add("numpy")
        elements = [self.code(ref, path) for ref in first]
        items = joined("[", elements, "]")
        shape = tuple(self._parts(attributes, "shape"))
        return f"numpy.array({items}, dtype={dtype!r}).reshape({shape!r})"

    def _parts(self, attributes: Attributes, name: str) -> list[Ref]:
        """The refs of the parts of an attribute."""
        children = self._values.children(attributes.get(name))
        return [child.ref for child in children]

    def _data_frame(self, attributes: Attributes, extra: dict[str, Any], path: str) -> str:
        columns = self._parts(attributes, "first")
        lengths = {len(self._values.children(column)) for column in columns}
        if lengths != {extra.get("len")}:
            return self._none(path, "a frame of which only the beginning was kept")
        self.imports.add("pandas")
        first = self.code(attributes["first"], path)
        return f"pandas.DataFrame({first})"


def _atom(value: object) -> str:
    if type(value) is float and not math.isfinite(value):
        return f"float({str(value)!r})"
    return repr(value)


def _has_state(node: Node) -> bool:
    """Whether the state of an object was kept."""
    extra = schema.extra_of(node)
    if "why" in extra:
        return False
    return "items" in extra or bool(schema.attributes_of(node))


def _is_plain_dtype(dtype: object) -> bool:
    """Whether a dtype is of numbers or texts: neither of objects nor of records."""
    if type(dtype) is not str or dtype == "object":
        return False
    return not dtype.startswith(("[", "("))


def _enum_member(node: Node) -> str | None:
    """The name of a member of an enum; None for other objects."""
    text = schema.repr_of(node) or ""
    shown = _ENUM.fullmatch(text)
    if shown is None:
        return None
    member = shown["member"]
    attributes = schema.attributes_of(node)
    if attributes.get("_name_") != member:
        return None
    return member


def _is_dataclass_like(text: str | None, qualname: str, names: list[str]) -> bool:
    """Whether the repr names exactly the attributes, in order, like the repr of a dataclass."""
    if not text or not names:
        return False
    if not text.startswith(f"{qualname}("):
        return False
    shown = re.findall(r"(?<=[(\s])(\w+)=", text)
    return shown[: len(names)] == names


def joined(opening: str, parts: list[str], closing: str) -> str:
    """The parts in brackets: on a single line if short enough, else a line for each part."""
    line = f"{opening}{', '.join(parts)}{closing}"
    if len(line) <= _COLUMNS and "\n" not in line:
        return line
    rows = "".join([f"{part},\n" for part in parts])
    body = textwrap.indent(rows, "    ")
    return f"{opening}\n{body}{closing}"
