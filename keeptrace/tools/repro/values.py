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
from ...core.report import Node, Ref, Report
from ...render.nodes import exact_value, raw_text
from ...render.values import ShownValues

# Containers inside one another; a deeper value is missing. (levels)
_LEVELS: Final = 40
# A longer container has a line for each element. (columns)
_COLUMNS: Final = 84
_BRACKETS: Final = {"list": ("[", "]"), "tuple": ("(", ")"), "set": ("{", "}"), "dict": ("{", "}")}
_SETS: Final = ("set", "frozenset")
_ENUM: Final = re.compile(r"<(\w+)\.(\w+): .*>", re.DOTALL)
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

    def code(self, ref: Ref, path: str) -> str:
        """An expression that makes the value. path: the place of the value, for `missing`."""
        if type(ref) is not list:
            return _atom(ref)
        if ref[0] in self._active or len(self._active) >= _LEVELS:
            return self._none(path, "it holds itself, or is too deep")
        node = self._values.node(ref)
        self._active.add(ref[0])
        try:
            return self._makers().get(schema.kind_of(node), self._other)(node, path)
        finally:
            self._active.discard(ref[0])

    def type_code(self, index: int) -> str | None:
        """An expression for a type of the report; None for a type without an import path."""
        module, qualname, _ = self._types[index]
        return self._named(str(module), str(qualname))

    def _named(self, module: str, qualname: str) -> str | None:
        if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", qualname):
            return None
        if module == "builtins":
            return qualname
        if module in _MAIN or module == self._module:
            return f"program.{qualname}"
        if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", module):
            return None
        self.imports.add(module)
        return f"{module}.{qualname}"

    def _none(self, path: str, why: str) -> str:
        self.missing.append(f"{path}: {why}")
        return "None"

    def _makers(self) -> dict[str, Callable[[Node, str], str]]:
        return {
            **dict.fromkeys(schema.CONTAINERS, self._container),
            **dict.fromkeys(schema.TEXTS, self._text),
            "int": lambda node, path: str(schema.number_of(node)),
            "complex": lambda node, path: repr(schema.complex_of(node)),
            "exact": self._exact,
            "type": self._type,
            "module": self._imported_module,
            "function": self._function,
            "object": self._object,
            "live": lambda node, path: self.code(schema.stand_in_of(node), path),
        }

    # -- a method for each kind of node

    def _other(self, node: Node, path: str) -> str:
        if schema.kind_of(node) == "redacted":
            self.missing.append(f"{path}: it was hidden as a secret")
            return "'redacted'"
        return self._none(path, f"a value of the kind {schema.kind_of(node)}")

    def _text(self, node: Node, path: str) -> str:
        kind, text = schema.kind_of(node), schema.kept_text(node)
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
            parts.append(f"{key_code}: {self.code(value, f'{path}[{name}]')}")
        return parts

    def _exact(self, node: Node, path: str) -> str:
        found = exact_value(self._values, node)
        if found is None:
            return self._none(path, f"a {schema.name_of(node)} that was not kept whole")
        module, text = type(found).__module__.partition(".")[0], repr(found)
        if module == "builtins":
            return text
        self.imports.add(module)
        if text.startswith(f"{module}."):
            return text
        return f"{module}.{text}"

    def _type(self, node: Node, path: str) -> str:
        return self.type_code(schema.type_of(node)) or self._none(path, "a local class")

    def _imported_module(self, node: Node, path: str) -> str:
        self.imports.add(schema.name_of(node))
        return schema.name_of(node)

    def _function(self, node: Node, path: str) -> str:
        _, module, qualname, _, _ = node
        return self._named(str(module), str(qualname)) or self._none(
            path, f"the function {qualname}"
        )

    def _object(self, node: Node, path: str) -> str:
        module, qualname, _ = self._types[schema.type_of(node)]
        full = f"{module}.{qualname}"
        made = self._of_known_type(full, node, path)
        if made is not None:
            return made
        cls = self.type_code(schema.type_of(node))
        if cls is None or not _has_state(node):
            shown = self._values.type_name(schema.type_of(node))
            why = schema.extra_of(node).get("why") or "its state was not kept"
            return self._none(path, f"a {shown}: {why}")
        member = _enum_member(node)
        if member is not None:
            return f"{cls}.{member}"
        if str(module).partition(".")[0] in sys.stdlib_module_names:
            return self._none(path, f"a {full}, whose state is not in its attributes alone")
        return self._instance(cls, str(qualname), node, path)

    def _instance(self, cls: str, qualname: str, node: Node, path: str) -> str:
        """An instance of the program's class, made from its elements or attributes."""
        extra, attributes = schema.extra_of(node), schema.attributes_of(node)
        if "items" in extra:  # a named tuple, say
            return joined(f"{cls}(", self._elements(extra["items"], path), ")")
        parts = [f"{name}={self.code(each, f'{path}.{name}')}" for name, each in attributes.items()]
        if _is_dataclass_like(schema.repr_of(node), qualname, list(attributes)):
            return joined(f"{cls}(", parts, ")")
        self.needs_instances = True
        return joined("instance(", [cls, *parts], ")")

    def _of_known_type(self, full: str, node: Node, path: str) -> str | None:
        extra, attributes = schema.extra_of(node), schema.attributes_of(node)
        if full == "numpy.ndarray":
            return self._array(attributes, path)
        if full in ("pandas.DataFrame", "pandas.core.frame.DataFrame"):
            return self._data_frame(attributes, extra, path)
        if full == "collections.defaultdict" and "pairs" in extra:
            self.imports.add("collections")
            factory = self.code(attributes.get("default_factory"), f"{path}.default_factory")
            return joined(
                f"collections.defaultdict({factory}, {{", self._pairs(extra["pairs"], path), "})"
            )
        if full in _FROM_PAIRS and "pairs" in extra:
            self.imports.add("collections")
            return joined(f"{full}({{", self._pairs(extra["pairs"], path), "})")
        if full in _FROM_ITEMS and "items" in extra:
            self.imports.add("collections")
            return joined(f"{full}([", self._elements(extra["items"], path), "])")
        return None

    # -- small arrays and frames, whole in their summary

    def _array(self, attributes: dict[str, Ref], path: str) -> str:
        first = self._parts(attributes, "first")
        dtype = attributes.get("dtype")
        is_plain = type(dtype) is str and dtype != "object" and dtype[0] not in "[("
        if not is_plain or len(first) != attributes.get("size"):
            return self._none(path, "an array of which only the beginning was kept")
        self.imports.add("numpy")
        items = joined("[", [self.code(ref, path) for ref in first], "]")
        shape = tuple(self._parts(attributes, "shape"))
        return f"numpy.array({items}, dtype={dtype!r}).reshape({shape!r})"

    def _parts(self, attributes: dict[str, Ref], name: str) -> list[Ref]:
        """The refs of the parts of an attribute."""
        return [child.ref for child in self._values.children(attributes.get(name))]

    def _data_frame(self, attributes: dict[str, Ref], extra: dict[str, Any], path: str) -> str:
        columns = self._parts(attributes, "first")
        lengths = [len(self._values.children(column)) for column in columns]
        if not columns or any(length != extra.get("len") for length in lengths):
            return self._none(path, "a frame of which only the beginning was kept")
        self.imports.add("pandas")
        return f"pandas.DataFrame({self.code(attributes['first'], path)})"


def _atom(value: object) -> str:
    if type(value) is float and not math.isfinite(value):
        return f"float({str(value)!r})"
    return repr(value)


def _has_state(node: Node) -> bool:
    """Whether the state of an object was kept."""
    extra = schema.extra_of(node)
    return "why" not in extra and bool(schema.attributes_of(node) or "items" in extra)


def _enum_member(node: Node) -> str | None:
    """The name of a member of an enum; None for other objects."""
    shown = _ENUM.fullmatch(schema.repr_of(node) or "")
    if shown is None or schema.attributes_of(node).get("_name_") != shown[2]:
        return None
    return shown[2]


def _is_dataclass_like(text: str | None, qualname: str, names: list[str]) -> bool:
    """Whether the repr names exactly the attributes, in order, like the repr of a dataclass."""
    if text is None or not names or not text.startswith(f"{qualname}("):
        return False
    shown = re.findall(r"(?<=[(\s])(\w+)=", text)
    return shown[: len(names)] == names


def joined(opening: str, parts: list[str], closing: str) -> str:
    """The parts in brackets: on a single line if short enough, else a line for each part."""
    line = f"{opening}{', '.join(parts)}{closing}"
    if len(line) <= _COLUMNS and "\n" not in line:
        return line
    body = textwrap.indent("".join(f"{part},\n" for part in parts), "    ")
    return f"{opening}\n{body}{closing}"
