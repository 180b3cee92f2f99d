"""Report → real exception, with real tracebacks over real frames. This file travels, as source, inside every dump.

So it imports the standard library alone, nothing of keeptrace, and works on every Python from 3.11 on, whatever Python
wrote the report (laid out in _report.py).

How a frame is restored. A frame object can only be had by running code, so for each frame a small function is run:

    def <original name>(<original arguments, all with defaults>):
        (a, b, c) = K()         # all its locals at once, out of a C iterator that stands in its (private) globals
        K()()                   # the function of the next frame; in the innermost one, a C call that notes the frame

One template is compiled for each number of locals; names, flags, file and first line are then put in with `code.replace`,
and its line table is written by hand, so that every instruction has the source position of the original's failing one:
`~~^~~` markers come out identical. Nothing is raised, and calls between Python functions use no C stack, so deep
recursions restore as well.

The outermost `f_back` has to be None: it would lead into the stack of whoever restores, and keep the locals there alive
for as long as the frames live. CPython links a frame to its caller when the frame ends. So the outermost function is made
an asynchronous generator: it is run up to its one `yield`, and then dropped there, suspended, with a finalizer set
(sys.set_asyncgen_hooks) that does nothing. Its frame, which the others refer to, is then taken over with no caller.
(A raw thread, at whose bottom there is no caller either, costs some 100 microseconds for each exception.)

Rules:
 1. Nothing of the data is ever called or imported, but for what `Policy` allows: which types and modules may be looked up.
 2. A value is exact, or visibly a stand-in.
 3. No recursion over data: reports can be deep, cyclic and hostile.
"""

from __future__ import annotations

import _thread
import abc
import builtins
import functools
import io
import linecache
import os
import pickle
import stat
import sys
import types
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

# --------------------------------------------------------------------------------------------------------------------
# Stand-ins: what is left of an object that is not kept live.

MARK: Final = "__keeptrace_standin__"


class StandIn:
    """What is left of an object: its type's name, its repr, its attributes down to the depth, its true length."""

    __slots__ = (MARK,)  # the details (_Details); in a slot, so that vars() and dir() show the object's own attributes alone

    def __repr__(self) -> str:
        return _details(self).text

    def __str__(self) -> str:
        details = _details(self)
        return repr(self) if details.string is None else details.string

    def __getattr__(self, name: str) -> Any:
        details = _details(self)
        if name in details.dir and not name.startswith(("__", *_PROTOCOLS)):
            return _known_attribute(self, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r} that was kept: {_what(self)}", name=name, obj=self)

    def __dir__(self) -> Iterable[str]:
        details = _details(self)
        return sorted({*vars(self), *details.dir}) if details.dir else vars(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"{self!r} cannot be called: {_what(self)}")

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(f"{self!r} cannot be pickled on its own: {_what(self)}; keeptrace.dumps(exception) keeps it")


class _Sized:
    """The protocol of containers, for the stand-ins of what had a length."""

    __slots__ = ()

    def __len__(self) -> int:
        return _details(self).length or 0

    def __iter__(self) -> Iterator[Any]:
        details = _details(self)
        yield from details.items
        missing = len(self) - len(details.items)
        if missing > 0:
            raise LookupError(f"{missing} of the {len(self)} elements were not kept: {_what(self)}")

    def __getitem__(self, key: Any) -> Any:
        details = _details(self)
        if details.pairs is not None:
            if key in details.pairs:
                return details.pairs[key]
            if len(details.pairs) == len(self):
                raise KeyError(key)
        elif isinstance(key, (slice, int)):
            wanted: int | range = range(len(self))[key]  # raises IndexError as the original would
            kept = range(len(details.items))
            if isinstance(wanted, int):
                if wanted in kept:
                    return details.items[wanted]
            elif all(index in kept for index in (*wanted[:1], *wanted[-1:])):
                return [details.items[index] for index in wanted]
        raise LookupError(f"element {key!r} was not kept: {_what(self)}")

    def __contains__(self, value: Any) -> bool:
        details = _details(self)
        if value in details.items:
            return True
        if len(details.items) < len(self):
            raise LookupError(f"not among the {len(details.items)} elements that were kept: {_what(self)}")
        return False

    def keys(self) -> Iterable[Any]:
        return self._mapping("keys").keys()

    def values(self) -> Iterable[Any]:
        return self._mapping("values").values()

    def items(self) -> Iterable[Any]:
        return self._mapping("items").items()

    def get(self, key: Any, default: Any = None) -> Any:
        pairs = self._mapping("get")
        return pairs[key] if key in pairs else self[key] if len(pairs) < len(self) else default

    def _mapping(self, name: str) -> dict[Any, Any]:
        pairs = _details(self).pairs
        if pairs is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r} that was kept: {_what(self)}")
        return pairs


# How the names begin by which tools ask an instance what it can do. What answers is called, or taken for an address.
_PROTOCOLS: Final = ("_repr_", "_ipython_", "_render_traceback_", "_as_parameter_")
_ATOMS: Final = frozenset({type(None), bool, int, float, str})


def _aside(name: str) -> str:
    """Under which name something stands in vars() that may not answer to its own: nobody looks this one up."""
    return f"[{name}]"


def _is_protocol(name: str, value: Any) -> bool:
    """Whether a tool would take this attribute for a promise of the object: numpy reads memory by __array_interface__."""
    is_special = name.startswith("__") and name.endswith("__")
    return name.startswith(_PROTOCOLS) or (is_special and type(value) not in _ATOMS)


class _Details:
    """What a stand-in knows about itself, apart from its attributes."""

    __slots__ = ("dir", "items", "length", "node", "pairs", "string", "text", "why")

    def __init__(self, text: str, node: list[Any], why: str = "") -> None:
        self.text = text
        self.node = node  # as in the report; capture reads it again when the exception is dumped once more
        self.why = why
        self.string: str | None = None  # what str() gives, where that is not the repr
        self.length: int | None = None
        self.items: Sequence[Any] = []
        self.pairs: dict[Any, Any] | None = None
        self.dir: frozenset[str] = frozenset()


_details_slot: Final = StandIn.__dict__[MARK]


def _details(standin: Any) -> _Details:
    details: _Details = _details_slot.__get__(standin)
    return details


def _what(standin: Any) -> str:
    why = _details(standin).why
    return "keeptrace kept a stand-in, not the object" + (f" ({why})" if why else "")


def _known_attribute(standin: StandIn, name: str) -> StandIn:
    known = _stand_in(_stand_in_class("object", "builtins", False), f"<{type(standin).__name__}.{name}: not kept>", [], "its class has it")
    return known


@functools.lru_cache(512)
def _stand_in_class(qualname: str, module: str, sized: bool) -> type[StandIn]:
    bases = (StandIn, _Sized) if sized else (StandIn,)
    name = qualname.rpartition(".")[2] or "object"
    return type(name, bases, {"__module__": module, "__qualname__": qualname, "__doc__": None})


def _stand_in(cls: type[StandIn], text: str, node: list[Any], why: str = "") -> StandIn:
    standin = object.__new__(cls)
    _details_slot.__set__(standin, _Details(text, node, why))
    return standin


def details_of(value: Any) -> _Details | None:
    """The details of a stand-in, made by this copy of the restorer or by another; None for every other object."""
    for cls in type.__dict__["__mro__"].__get__(type(value)):
        slot = type.__dict__["__dict__"].__get__(cls).get(MARK)
        if type(slot) is types.MemberDescriptorType:
            return slot.__get__(value)  # type: ignore[no-any-return]
    return None


# --------------------------------------------------------------------------------------------------------------------
# What may be looked up.


# typeshed takes the __dict__ of this class for one of its instances'
_names_in: Final[Any] = types.ModuleType.__dict__["__dict__"].__get__  # type: ignore[index]


class Policy:
    """What a restore may touch of the process it runs in.

    builtins: nothing but builtins: for reading what one does not trust (keeptrace.load).
    loaded: also modules that are loaded; nothing is imported: for text.
    known: also modules that are loaded, and the standard library: for pickle.load, which trusts its data.
    imports: also import, and functions by name: within a pool, where the same program runs at both ends.
    """

    __slots__ = ("imports", "load_live", "lookups", "standard", "truthy")

    def __init__(self, lookups: bool, imports: bool, truthy: bool = False, load_live: bool = True, standard: bool = True) -> None:
        self.lookups = lookups
        self.standard = standard  # the standard library may be imported
        self.imports = imports
        self.truthy = truthy  # exceptions of a class with __bool__ or __len__ count as true: futures take false for "none"
        self.load_live = load_live

    @property
    def trusts(self) -> bool:
        """Whether the data may have code of the program's run, as plain pickle.load may: what is live, hooks of classes."""
        return self.load_live

    def module(self, name: str) -> types.ModuleType | None:
        if name == "builtins":
            return builtins
        if not self.lookups:
            return None
        found = sys.modules.get(name)
        may_import = self.imports or (self.standard and name.partition(".")[0] in sys.stdlib_module_names)
        if found is None and may_import and _may_import(name):
            try:
                __import__(name)
            except (Exception, SystemExit):  # the module is absent or broken here: its types are synthesised instead
                return None
            found = sys.modules.get(name)
        return found if issubclass(type(found), types.ModuleType) else None

    def find(self, module: str, qualname: str) -> Any:
        """What a qualified name stands for, without running any hook of a class; None if it cannot be found."""
        if not self.lookups:
            return _HARMLESS.get(qualname) if module == "builtins" else None
        found: Any = self.module(module)
        if "." not in qualname and type(found) is types.ModuleType:  # most are such
            return _names_in(found).get(qualname)
        for part in qualname.split("."):
            if type(found) is types.ModuleType or issubclass(type(found), types.ModuleType):
                found = _names_in(found).get(part)
            elif isinstance(found, type):
                found = type.__dict__["__dict__"].__get__(found).get(part)
            else:
                return None
        return found

    def function(self, module: str, qualname: str) -> Any:
        """The function of that name; None unless the same program runs at both ends, or the function is harmless."""
        if self.imports and module in sys.modules:
            found = self.find(module, qualname)
        else:
            found = _HARMLESS.get(qualname) if module == "builtins" else None
        return found if isinstance(found, (types.FunctionType, types.BuiltinFunctionType)) else None


# Builtin functions that only look at their arguments, or print them. Tools call attributes of what they show
# (_render_traceback_, __tracebackhide__), so data brings no others along: exec, open and getattr become stand-ins.
_HARMLESS_FUNCTIONS: Final = (
    *("abs", "all", "any", "ascii", "bin", "callable", "chr", "divmod", "format", "hash", "hex", "id"),
    *("isinstance", "issubclass", "iter", "len", "max", "min", "next", "oct", "ord", "pow", "print"),
    *("repr", "round", "sorted", "sum"),
)
# Programs put names of their own into builtins, and `builtins.__loader__` imports: neither is a builtin class.
_BUILTIN_CLASSES: Final = {
    name: found
    for name, found in vars(builtins).items()
    if isinstance(found, type) and found.__module__ == "builtins" and not name.startswith("__")
}
# All that a name out of data may stand for where nothing else is looked up. There is no way from these to another name.
_HARMLESS: Final[dict[str, Any]] = {
    **_BUILTIN_CLASSES,
    **{
        name: found
        for name in _HARMLESS_FUNCTIONS
        if type(found := getattr(builtins, name, None)) is types.BuiltinFunctionType
    },
}
# Modules of the standard library whose import does something that one sees; also what is in them.
_NEVER_IMPORTED: Final = frozenset({"antigravity", "this", "__main__", "__mp_main__", "idlelib", "turtle"})


def _may_import(name: str) -> bool:
    """Whether importing the module only defines things: a package's __main__ is a program."""
    return name.partition(".")[0] not in _NEVER_IMPORTED and not name.endswith(".__main__")

BUILTINS: Final = Policy(lookups=False, imports=False, load_live=False)
LOADED: Final = Policy(lookups=True, imports=False, load_live=False, standard=False)
KNOWN: Final = Policy(lookups=True, imports=False)
POOL: Final = Policy(lookups=True, imports=True, truthy=True)
LIVE: Final = Policy(lookups=True, imports=True)


def _in_order(roots: Iterable[int], needs: Callable[[int], Iterable[int]]) -> Iterator[int]:
    """The roots and what they need, each after what it needs. What needs itself, in damaged data, comes as if it did not."""
    state: dict[int, int] = {}  # 1: on the stack, 2: given
    for root in roots:
        stack = [root]
        while stack:
            index = stack[-1]
            waiting = [] if index in state else [need for need in needs(index) if need not in state]
            state.setdefault(index, 1)
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            if state[index] == 1:
                state[index] = 2
                yield index


# --------------------------------------------------------------------------------------------------------------------
# Values.


def _path(flavour: str, text: str) -> Any:
    import pathlib

    pure = pathlib.PureWindowsPath if "Windows" in flavour else pathlib.PurePosixPath
    concrete = pathlib.WindowsPath if "Windows" in flavour else pathlib.PosixPath
    if "Pure" in flavour or not isinstance(pathlib.Path(), concrete):
        return pure(text)  # a path of another system cannot be made here, only its pure form
    return concrete(text)


def _std(module: str, name: str) -> Callable[..., Any]:
    """A builder that imports a module of the standard library only when such a value turns up."""

    def build(*args: Any) -> Any:
        return getattr(__import__(module), name)(*args)

    return build


def _datetime(*args: Any) -> Any:
    *parts, tzinfo, fold = args
    return _std("datetime", "datetime")(*parts, tzinfo).replace(fold=fold)


def _time(*args: Any) -> Any:
    *parts, tzinfo, fold = args
    return _std("datetime", "time")(*parts, tzinfo).replace(fold=fold)


def _fraction(numerator: int, denominator: int) -> Any:
    """As it was when it was captured: reducing it again would take quadratic time."""
    fraction: Any = _std("fractions", "Fraction")()
    if type(numerator) is not int or type(denominator) is not int or denominator < 1:
        raise ValueError("no fraction")
    fraction._numerator = numerator
    fraction._denominator = denominator
    return fraction


# kind -> what builds the value from its parts. The kinds that capture knows are this table's.
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
    "UUID": _std("uuid", "UUID"),  # by its digits
    "PosixPath": lambda text: _path("PosixPath", text),
    "PurePosixPath": lambda text: _path("PurePosixPath", text),
    "WindowsPath": lambda text: _path("WindowsPath", text),
    "PureWindowsPath": lambda text: _path("PureWindowsPath", text),
}

# What the standard library raises where a part is not of the type that it takes.
_CANNOT_BUILD: Final = (TypeError, ValueError, ArithmeticError, AttributeError, LookupError)

_SHELLS: Final[dict[str, Callable[[], Any]]] = {"list": list, "dict": dict, "set": set}
_CONTAINERS: Final = ("list", "dict", "set", "tuple", "frozenset")


def _is_whole(node: list[Any]) -> bool:
    return bool(len(node[2]) == node[1] * (2 if node[0] == "dict" else 1))


class _Values:
    """The report's value table as objects. Mutable ones are made empty first and filled last, so cycles work."""

    def __init__(self, report: dict[str, Any], type_of: list[Any], policy: Policy) -> None:
        self._nodes: list[list[Any]] = report["values"]
        self._types = report["types"]
        self._type_of = type_of
        self._policy = policy
        self.made: list[Any] = [None] * len(self._nodes)
        self._done = bytearray(len(self._nodes))
        self.live: list[Any] = []
        if report.get("live") and policy.load_live:
            self.live = _load_live(report["live"], sum(node[0] == "live" for node in self._nodes), policy is not POOL)

    def __call__(self, ref: Any) -> Any:
        return self.made[ref[0]] if type(ref) is list else ref

    def make_shells(self) -> None:
        """Everything that can exist before its contents do."""
        made, done = self.made, self._done
        for index, node in enumerate(self._nodes):
            kind = node[0]
            leaf = _LEAVES.get(kind)
            if leaf is not None:
                made[index] = leaf(self, node)
            elif kind in _CONTAINERS:
                if not _is_whole(node):
                    made[index] = self._cut_container(node)
                elif kind in _SHELLS:
                    made[index] = _SHELLS[kind]()
                elif kind == "tuple" and list not in map(type, node[2]):
                    made[index] = tuple(node[2])
                else:
                    continue
            else:
                continue
            done[index] = 1

    def _put(self, index: int, value: Any) -> None:
        self.made[index] = value
        self._done[index] = 1

    def finish(self, exceptions: list[BaseException]) -> None:
        """Makes what needs its parts first (tuples, frozensets, dates), then fills the shells."""
        if not all(self._done):
            for index, node in enumerate(self._nodes):
                if node[0] == "exception":
                    self._put(index, exceptions[node[1]])
            for index in _in_order([index for index, done in enumerate(self._done) if not done], self._parts):
                if not self._done[index]:
                    self._put(index, self._with_parts(self._nodes[index]))
        for value, node in zip(self.made, self._nodes):
            filler = _FILLERS.get(node[0])
            if filler is not None:
                filler(self, value, node)

    def _parts(self, index: int) -> list[int]:
        """What must be made before the node can be."""
        if self._done[index]:
            return []
        node = self._nodes[index]
        return [part[0] for part in (node[2:3] if node[0] == "live" else node[2]) if type(part) is list]

    def _with_parts(self, node: list[Any]) -> Any:
        kind = node[0]
        if kind == "live":
            found = self.live[node[1]] if node[1] < len(self.live) else _instance(Missing)
            return self._not_live(self(node[2]), found) if isinstance(found, Missing) else found
        parts = self._each(node[2])
        try:
            return tuple(parts) if kind == "tuple" else frozenset(_keys(parts)) if kind == "frozenset" else EXACT[node[1]](*parts)
        except _CANNOT_BUILD as problem:  # a part is a stand-in, or the data is damaged
            return self._note(f"<{kind}: {problem}>", node)

    def _not_live(self, value: Any, missing: Missing) -> Any:
        """What stands in for a live object; it says why."""
        details = details_of(value)
        if details is not None and self._policy.load_live:
            why = _details(missing).why
            details.why = f"{details.why}; {why}" if details.why else why
        return value

    def _fill_container(self, value: Any, node: list[Any]) -> None:
        kind, _, refs = node
        if not _is_whole(node):
            details = _details(value)
            if kind == "dict":
                details.pairs = self._pairs(refs)
                details.items = list(details.pairs)
            else:
                details.items = self._each(refs)
        elif kind == "list":
            value.extend(self._each(refs))
        elif kind == "set":
            value.update(_keys(self._each(refs)))
        elif kind == "dict":
            value.update(self._pairs(refs))

    def _fill_stand_in(self, value: Any, node: list[Any]) -> None:
        _, _, _, attributes, extra = node
        if attributes:
            namespace = vars(value)
            namespace.update(zip(attributes, self._each(attributes.values())))
            for name in [name for name in attributes if name[:1] == "_"]:
                if _is_protocol(name, namespace[name]):
                    namespace[_aside(name)] = namespace.pop(name)
        if not extra:
            return
        details = _details(value)
        if "pairs" in extra:
            details.pairs = self._pairs(extra["pairs"])
            details.items = list(details.pairs)
        elif "items" in extra:
            details.items = self._each(extra["items"])

    def _pairs(self, flat: list[Any]) -> dict[Any, Any]:
        return dict(zip(_keys(self._each(flat[: len(flat) & ~1 : 2])), self._each(flat[1::2])))

    def _each(self, refs: Iterable[Any]) -> list[Any]:
        made = self.made
        return [made[ref[0]] if type(ref) is list else ref for ref in refs]

    def _cut_container(self, node: list[Any]) -> StandIn:
        kind, length, items = node
        count = len(items) // (2 if kind == "dict" else 1)
        standin = _stand_in(_stand_in_class(kind, "builtins", True), "", node, f"{count} of its {length} elements were kept")
        details = _details(standin)
        details.length = length
        details.text = f"<{kind} of {length} elements, the first {count} kept>"
        return standin

    def _note(self, text: str, node: list[Any]) -> StandIn:
        return _stand_in(_stand_in_class("object", "builtins", False), text, node)

    def _object(self, node: list[Any]) -> StandIn:
        _, type_index, text, _, extra = node
        module, qualname, _ = self._types[type_index]
        length = extra.get("len") if extra else None
        standin = _stand_in(_stand_in_class(qualname, module, length is not None), "", node, extra.get("why", "") if extra else "")
        details = _details(standin)
        if text is None:
            shown = qualname if module == "builtins" else f"{module}.{qualname}"
            text = f"<{shown} object at {extra['address']:#x}>" if extra and "address" in extra else f"<{shown} object>"
        details.text = text
        if extra:
            details.length = length
            details.string = extra.get("str")
            details.dir = frozenset(extra.get("dir", ()))
        return standin

    def _text(self, node: list[Any]) -> Any:
        kind, length, text = node
        if len(text) == length and kind == "str":
            return text
        standin = _stand_in(_stand_in_class(kind, "builtins", True), "", node, f"{len(text)} of its {length} characters were kept")
        details = _details(standin)
        details.length = length
        details.items = text
        details.text = f"{text if kind == 'str' else text.encode('latin-1')!r}... ({length} in all)"
        details.string = f"{text}... ({length} in all)"
        return standin

    def _bytes(self, node: list[Any]) -> Any:
        kind, length, text = node
        if len(text) < length:
            return self._text(node)
        raw = text.encode("latin-1")
        return raw if kind == "bytes" else bytearray(raw)

    def _type(self, node: list[Any]) -> Any:
        cls = self._type_of[node[1]]
        if cls is None:
            module, qualname, _ = self._types[node[1]]
            found = self._policy.find(module, qualname)
            cls = found if isinstance(found, type) else _stand_in_class(qualname, module, False)
            if cls is not found and len(node) > 2:  # the names that dir() gave
                names = [name for name in node[2] if not name.startswith("__")]  # __slots__ and its like mean something
                cls = type(cls.__name__, (cls,), {**dict.fromkeys(names), "__module__": module, "__qualname__": qualname})
        return cls

    def _module(self, node: list[Any]) -> Any:
        name = node[1]
        found = sys.modules.get(name) if self._policy.lookups else None
        if found is not None and _may_import(name):
            return found
        standin = _stand_in(_stand_in_class("module", "builtins", False), f"<module {name!r}>", node)
        vars(standin)["__name__"] = name
        if len(node) > 2:
            _details(standin).dir = frozenset(node[2])
        return standin

    def _function(self, node: list[Any]) -> Any:
        _, module, qualname, name, address = node
        found = self._policy.function(module, qualname)
        if found is not None:
            return found
        kind = "function" if address else "builtin_function_or_method"
        text = f"<function {qualname} at {address:#x}>" if address else f"<built-in function {name}>"
        standin = _stand_in(_stand_in_class(kind, "builtins", False), text, node)
        vars(standin).update(__name__=name, __qualname__=qualname, __module__=module)
        return standin

    def _redacted(self, node: list[Any]) -> StandIn:
        return _stand_in(_stand_in_class("redacted", "keeptrace", False), f"<redacted: {node[1]}>", node, "it looked secret")


_LEAVES: Final[dict[str, Callable[[_Values, list[Any]], Any]]] = {
    "int": lambda values, node: int(node[1], 16),
    "complex": lambda values, node: complex(node[1], node[2]),
    "str": _Values._text,
    "bytes": _Values._bytes,
    "bytearray": _Values._bytes,
    "object": _Values._object,
    "type": _Values._type,
    "module": _Values._module,
    "function": _Values._function,
    "redacted": _Values._redacted,
}


_FILLERS: Final[dict[str, Callable[[_Values, Any, list[Any]], None]]] = {
    "object": _Values._fill_stand_in,
    **dict.fromkeys(_CONTAINERS, _Values._fill_container),
}


_MOST_OF_ONE_HASH: Final = 16


def _keys(values: list[Any]) -> list[Any]:
    """The values as keys. Forged ones that all have the same hash would take quadratic time: most of them become notes."""
    keys = [value if type(value) is str else _hashable(value) for value in values]
    if len(keys) <= 2 * _MOST_OF_ONE_HASH:
        return keys
    counts: dict[int, int] = {}
    for at, key in enumerate(keys):
        number = hash(key)
        counts[number] = counts.get(number, 0) + 1
        if counts[number] > _MOST_OF_ONE_HASH:
            text = f"<{type(key).__name__}: one of too many of the same hash>"
            keys[at] = _stand_in(_stand_in_class("object", "builtins", False), text, [])
    return keys


def _hashable(value: Any) -> Any:
    """The value as a key: what was one is one again, but for data that is damaged or whose class changed."""
    try:
        hash(value)
    except Exception as problem:  # the hash of a live object is the user's code
        return _stand_in(_stand_in_class("object", "builtins", False), f"<{type(value).__name__}: {problem}>", [])
    return value


# --------------------------------------------------------------------------------------------------------------------
# What owns something outside of the process: never brought to life. The writer (_picklers.py) asks the same questions.

# Modules whose classes and functions open, make or delete such things.
_OUTSIDE: Final = frozenset({
    *("_io", "_pyio", "io", "os", "posix", "nt", "shutil", "tempfile", "mmap", "_mmap", "fcntl", "pty", "signal", "_signal"),
    *("subprocess", "_posixsubprocess", "multiprocessing", "_multiprocessing", "_posixshmem", "concurrent", "asyncio", "_asyncio"),
    *("socket", "_socket", "ssl", "_ssl", "select", "selectors", "sqlite3", "_sqlite3", "dbm", "_dbm", "_gdbm", "shelve"),
    *("gzip", "bz2", "_bz2", "lzma", "_lzma", "compression", "_zstd", "zipfile", "tarfile", "fileinput", "runpy", "webbrowser"),
    *("winreg", "msvcrt", "_winapi"),
})  # fmt: skip
# (module, name) of such classes and functions in modules of which the rest is harmless.
_OUTSIDE_ALSO: Final = frozenset({
    *(("weakref", "finalize"), ("threading", "Thread"), ("threading", "_DummyThread"), ("_thread", "start_new_thread")),
    *(("_thread", "start_new"), ("ctypes", "CDLL"), ("ctypes", "LibraryLoader"), ("_ctypes", "dlopen"), ("_ctypes", "CFuncPtr")),
    *(("codecs", "StreamWriter"), ("codecs", "StreamReader"), ("codecs", "StreamReaderWriter"), ("codecs", "StreamRecoder")),
    *(("codecs", "open"), ("numpy", "memmap"), ("xmlrpc.client", "ServerProxy")),
    *(("dill._dill", name) for name in ("_create_filehandle", "_create_thread_handle", "_create_capsule")),
    *(("dill.dill", name) for name in ("_create_filehandle", "_create_thread_handle", "_create_capsule")),
})  # fmt: skip
# Data, and what only changes data, though it comes from such a module.
_INSIDE: Final = frozenset({
    *(("_io", "StringIO"), ("_io", "BytesIO"), ("os", "fspath"), ("os", "PathLike"), ("posix", "fspath")),
    *(("queue", "Queue"), ("subprocess", "CompletedProcess"), ("zipfile", "ZipInfo"), ("tarfile", "TarInfo"), ("sqlite3", "Row")),
})  # fmt: skip
# A class that has one of these holds a resource, if it comes from a library: programs use the words for other things, too.
_CLOSERS: Final = ("close", "shutdown", "terminate", "dispose", "disconnect", "cleanup")
# By id, because the hash of a class may be its metaclass's.
_DATA: Final = frozenset(id(cls) for cls in (BaseException, tuple, type, int, str))
_IN_MEMORY: Final = frozenset({id(io.StringIO), id(io.BytesIO)})
_module_of: Final = type.__dict__["__module__"].__get__
_name_of: Final = type.__dict__["__name__"].__get__


def _is_outside(module: str, name: str) -> bool:
    if (module, name) in _INSIDE:
        return False
    return module.partition(".")[0] in _OUTSIDE or (module, name) in _OUTSIDE_ALSO


def owns_outside(cls: type) -> bool:
    """Whether instances of the class own something outside of the process, or act on it when they die.

    By where its classes come from; by a file descriptor; by a finalizer, which would act once more for each copy; and for
    a library's class by what releases a resource.
    """
    mro = _mro_of(cls)
    if any(id(parent) in _DATA for parent in mro):
        return False
    in_memory = any(id(parent) in _IN_MEMORY for parent in mro)
    for parent in mro[:-1]:
        module, name = _home(parent)
        if (module, name) in _INSIDE or (in_memory and module in ("_io", "io")):
            continue
        if _is_outside(module, name):
            return True
        namespace = _namespace_of(parent)
        if "__del__" in namespace or "fileno" in namespace:
            return True
        if any(closer in namespace for closer in _CLOSERS) and _is_of_a_library(module):
            return True
    return False


def _home(cls: type) -> tuple[str, str]:
    try:
        module = _module_of(cls)
    except AttributeError:  # deleted from the class
        module = ""
    return module if type(module) is str else "", _name_of(cls)


def _is_of_a_library(name: str) -> bool:
    if name.partition(".")[0] in sys.stdlib_module_names:
        return True
    module = sys.modules.get(name)
    file = _names_in(module).get("__file__") if type(module) is types.ModuleType else None
    return type(file) is str and ("site-packages" in file or "dist-packages" in file)


def _acts_outside(function: Any) -> bool:
    """Whether calling what a pickle names would open, make or delete something outside of the process."""
    if type(function) is functools.partial:
        function = function.func
    owner = getattr(function, "__self__", None)
    if isinstance(owner, type):  # a method of the class, such as SharedMemory's own way to be rebuilt
        function = owner
    if isinstance(function, type):
        return function not in (type, object) and owns_outside(function)
    if isinstance(function, (types.FunctionType, types.BuiltinFunctionType)):
        return _is_outside(str(function.__module__), function.__name__)
    return False


# --------------------------------------------------------------------------------------------------------------------
# Live objects.


class Missing(StandIn):
    """Takes the place of what a live pickle needs and cannot have here. Takes any state."""

    _why = "it could not be loaded here"

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"{cls.__qualname__} cannot be called: {_what(_instance(cls))}")

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            vars(self).update((name, value) for name, value in state.items() if isinstance(name, str))

    # a pickle may fill it as if it were a container
    def append(self, item: Any) -> None: ...
    def extend(self, items: Any) -> None: ...
    def add(self, item: Any) -> None: ...
    def __setitem__(self, key: Any, value: Any) -> None: ...


def _missing(module: str, qualname: str, why: str) -> Any:
    """A class whose instances say why they are not the real thing."""
    name = qualname.rpartition(".")[2]
    return type(name, (Missing,), {"__module__": module, "__qualname__": qualname, "_why": why})


def _instance(cls: type[Missing]) -> Any:
    return _stand_in(cls, f"<{cls.__qualname__}: {cls._why}>", [], cls._why)


def not_kept(why: str) -> Missing:
    """A live pickle has a call of this in the place of an object that was too large for it."""
    made: Missing = _instance(_missing("builtins", "object", why))
    return made


_WHY_OUTSIDE: Final = "it owns something outside of the process, and that is not brought to life"


def outside(module: str, qualname: str, text: str) -> Any:
    """The stand-in for what owns something outside of the process; text: its repr."""
    standin = _instance(_missing(module, qualname, _WHY_OUTSIDE))
    _details(standin).text = text
    return standin


# What a live pickle names and means something else by: (module, name) -> what it means.
_OTHERWISE: Final[dict[tuple[str, str], Callable[[], Any]]] = {
    ("keeptrace._restore", "outside"): lambda: outside,  # where keeptrace is not installed
    ("keeptrace._restore", "not_kept"): lambda: not_kept,
    # dill's names for the namespace of the program, and for a class that has no name
    ("__builtin__", "__main__"): lambda: vars(sys.modules["__main__"]),
    ("__builtin__", "NoneType"): lambda: type(None),
}


def _find(unpickler: Any, module: str, name: str) -> Any:
    meant = _OTHERWISE.get((module, name))
    if meant:
        return meant()
    thread = _thread.get_ident()
    is_watched = thread in _loading
    _loading.discard(thread)  # a module that is imported for it does what it does when the program imports it
    try:
        return unpickler.find_class(module, name)
    finally:
        if is_watched:
            _loading.add(thread)


_PLAIN: Final = (str, bytes, int, float, bool, type(None))
_MOST_TOLD: Final = 200  # characters of an argument
# What code of the pickled classes themselves may not do while they come to life: the interpreter tells each such step
# beforehand (an audit event), and to raise then prevents it.
_FORBIDDEN: Final = frozenset({
    *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown"),
    *("os.utime", "os.setxattr", "os.removexattr", "os.lockf", "os.kill", "os.killpg", "os.fork", "os.forkpty", "os.exec"),
    *("os.posix_spawn", "os.spawn", "os.system", "os.startfile", "mmap.__new__", "pty.spawn", "webbrowser.open"),
})  # fmt: skip
_FORBIDDEN_OF: Final = ("socket.", "subprocess.", "shutil.", "sqlite3.", "tempfile.", "fcntl.", "winreg.", "msvcrt.")
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_loading: Final[set[int]] = set()  # the threads that bring objects to life just now


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if not _loading or _thread.get_ident() not in _loading:
        return
    opens = event == "open" and (type(args[0]) is int or (type(args[2]) is int and args[2] & _WRITING))
    if opens or event in _FORBIDDEN or event.startswith(_FORBIDDEN_OF):
        told = ", ".join(repr(arg)[:_MOST_TOLD] for arg in args if type(arg) in _PLAIN)
        raise PermissionError(f"what is loaded may change nothing outside of the process, as {event}({told}) would")


@functools.lru_cache(1)
def _install_watch() -> None:
    sys.addaudithook(_watch)  # for good: there is no way to remove one


class _NotAlone(Exception):
    """The pickle names what may act outside of the process, so each of its steps has to be looked at."""


class _Quick(pickle.Unpickler):
    """Reads a live pickle that names nothing which could act outside of the process."""

    def find_class(self, module: str, name: str) -> Any:
        found = _find(super(), module, name)
        if _acts_outside(found) or (module, name) in _CHANGES_MODULES:
            raise _NotAlone
        return found


# How dill names modules; what it then does is put the state of the writer's modules into ours.
_CHANGES_MODULES: Final = frozenset({("dill._dill", "_import_module"), ("dill.dill", "_import_module")})
_Unpickler: Any = pickle._Unpickler  # only the Python version lets one failing object be replaced


class _Lenient(_Unpickler):  # type: ignore[misc]  # typeshed does not know its parts
    """Reads a live pickle step by step: what fails, and what would act outside, becomes a Missing; the others come alive."""

    dispatch = dict(_Unpickler.dispatch)
    is_checked = True

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _find(super(), module, name)
        except Exception as problem:
            return _missing(module, name, _why_not_found(module, name, problem))

    def _guarded(self, load: Callable[[Any], None], operands: int) -> None:
        saved = self.stack[-operands:]
        height = len(self.stack) - operands
        replaced = _replaced(load, saved, self.is_checked)
        if replaced is not None:
            self.stack[height:] = [replaced]
            return
        try:
            load(self)
        except BaseException as problem:  # a sys.exit() in a reduction costs its own object, as any error there
            del self.stack[height:]
            target = saved[0] if saved and isinstance(saved[0], type) else type(saved[0]) if saved else object
            missing = _instance(_missing(target.__module__, target.__qualname__, _why_failed(saved, problem)))
            self.stack.append(missing)
            for index, known in self.memo.items():
                if saved and known is saved[0] and not isinstance(known, type):  # half made: its aliases are missing, too
                    self.memo[index] = missing


def _guard_opcode(code: int, operands: int) -> None:
    load = _Unpickler.dispatch[code]
    _Lenient.dispatch[code] = lambda self: self._guarded(load, operands)


for _opcode, _operands in ((pickle.REDUCE, 2), (pickle.NEWOBJ, 2), (pickle.NEWOBJ_EX, 3), (pickle.BUILD, 2)):
    _guard_opcode(_opcode[0], _operands)
_BUILD: Final = _Unpickler.dispatch[pickle.BUILD[0]]
# What makes an instance of the class that is its first argument.
_MAKERS: Final = frozenset({"_reconstructor", "__newobj__", "__newobj_ex__", "__new__", "_create_type"})


def _replaced(load: Callable[[Any], None], operands: list[Any], is_checked: bool) -> Any:
    """What takes the place of a step's result: if it needs what is missing, or would act outside of the process. Else None."""
    target, *arguments = operands
    if load is _BUILD:
        return target if issubclass(type(target), types.ModuleType) and is_checked else None  # a module stays as it is here
    args = arguments[0] if arguments and type(arguments[0]) is tuple else ()
    if getattr(target, "__name__", "") in _MAKERS and not isinstance(target, type) and args:
        target, args = args[0], args[1:]
    if isinstance(target, type) and issubclass(target, Missing):
        return _instance(target)
    if isinstance(target, Missing):
        return target
    return _refusal(target, args) if is_checked and _acts_outside(target) else None


def _refusal(target: Any, args: tuple[Any, ...]) -> Any:
    """The stand-in for what calling the target would open, make or delete."""
    if getattr(target, "__name__", "") == "_create_filehandle":
        return _file_of(args)
    keywords: dict[str, Any] = {}
    if type(target) is functools.partial:
        target, args, keywords = target.func, (*target.args, *args), target.keywords
    owner = getattr(target, "__self__", None)
    target = owner if isinstance(owner, type) else target
    name, module = getattr(target, "__qualname__", "object"), str(getattr(target, "__module__", "builtins"))
    told = [repr(arg)[:_MOST_TOLD] if type(arg) in _PLAIN else "..." for arg in (*args, *keywords.values())]
    return outside(module, name, f"<{module}.{name}{' of ' if told else ''}{', '.join(told)}>")


def _file_of(args: tuple[Any, ...]) -> Any:
    """The stand-in for what dill would open."""
    name, mode, position, closed = args[:4]
    binary = {"r": "BufferedReader", "w": "BufferedWriter", "a": "BufferedWriter", "x": "BufferedWriter"}
    kind = binary.get(str(mode)[:1], "FileIO") if "b" in str(mode) else "TextIOWrapper"
    kind = "BufferedRandom" if "b" in str(mode) and "+" in str(mode) else kind
    standin = outside("_io", kind, f"<_io.{kind} name={name!r} mode={mode!r} position={position!r}{' closed' if closed else ''}>")
    vars(standin).update(name=name, mode=mode, position=position, closed=closed)
    return standin


def _why_not_found(module: str, name: str, problem: BaseException) -> str:
    if isinstance(problem, ModuleNotFoundError) and problem.name is not None:
        return f"there is no module {problem.name!r} here, which it needs"
    if isinstance(problem, AttributeError):
        return f"the module {module!r} has no {name!r} here"
    return f"importing {module!r} raised {type(problem).__name__}: {problem}"


def _why_failed(operands: list[Any], problem: BaseException) -> str:
    """One reason: that of the part which is missing, if it is for lack of a part that this failed."""
    for part in operands:
        for found in (part, *(part if type(part) is tuple else ())):
            if isinstance(found, Missing) or (isinstance(found, type) and issubclass(found, Missing)):
                return found._why
    return f"loading it here raised {type(problem).__name__}: {problem}"


def _load_live(data: bytes, count: int, is_checked: bool) -> list[Any]:
    """The live objects; a Missing, which says why, for each that does not come alive.

    is_checked: bring to life nothing that owns something outside of the process. Within a pool what an exception holds
        crosses as it does without us.
    """
    why = "the live objects are no list"
    for load in (_load_quickly, _load_leniently):
        try:
            objects = load(data, is_checked)
        except BaseException as problem:  # whatever the user's own reduction raises: the stand-ins beside it are what is then shown
            why = f"loading the live objects raised {type(problem).__name__}: {problem}"
            continue
        if type(objects) is list:
            return objects
    return [_instance(_missing("builtins", "object", why))] * count


def _load_quickly(data: bytes, is_checked: bool) -> Any:
    return _watched(_Quick(io.BytesIO(data)).load) if is_checked else pickle.loads(data)


def _load_leniently(data: bytes, is_checked: bool) -> Any:
    unpickler = _Lenient(io.BytesIO(data))
    unpickler.is_checked = is_checked
    return _watched(unpickler.load) if is_checked else unpickler.load()


def _watched(load: Callable[[], Any]) -> Any:
    thread = _thread.get_ident()
    if thread in _loading:  # a dump within a dump
        return load()
    _install_watch()
    _loading.add(thread)
    try:
        return load()
    finally:
        _loading.discard(thread)


# --------------------------------------------------------------------------------------------------------------------
# Types and exceptions.

# C type -> the state that it holds outside of __dict__, in the order in which bases are looked for.
FIELDS: Final[dict[type[BaseException], tuple[str, ...]]] = {
    OSError: ("errno", "strerror", "filename", "filename2", "characters_written"),
    SyntaxError: ("msg", "filename", "lineno", "offset", "text", "end_lineno", "end_offset", "print_file_and_line", "_metadata"),
    UnicodeDecodeError: ("encoding", "object", "start", "end", "reason"),
    UnicodeEncodeError: ("encoding", "object", "start", "end", "reason"),
    UnicodeTranslateError: ("object", "start", "end", "reason"),
    ImportError: ("msg", "name", "path", "name_from"),
    StopIteration: ("value",),
    SystemExit: ("code",),
    AttributeError: ("name", "obj"),
    NameError: ("name",),
}
# By id, because what a class says of itself may be a lie, or its metaclass's code.
BUILTIN_TYPES: Final = frozenset(map(id, _BUILTIN_CLASSES.values()))
# by id, because the hash of a class may be its metaclass's
_FIELDS_BY_ID: Final = {id(cls): (cls, names) for cls, names in FIELDS.items()}
_put_args, _put_traceback, _put_context, _put_cause, _put_suppress = (
    BaseException.__dict__[name].__set__ for name in ("args", "__traceback__", "__context__", "__cause__", "__suppress_context__")
)
_dict_of: Final = BaseException.__dict__["__dict__"].__get__
_mro_of: Final = type.__dict__["__mro__"].__get__
_namespace_of: Final = type.__dict__["__dict__"].__get__


def fields_of(mro: tuple[type, ...]) -> tuple[type, tuple[str, ...]] | None:
    """The C type among the bases that holds state of its own, and the names of that state."""
    return next((_FIELDS_BY_ID[id(cls)] for cls in mro if id(cls) in _FIELDS_BY_ID), None)


_base_of: Final = type.__dict__["__base__"].__get__
_size_of: Final = type.__dict__["__basicsize__"].__get__
_weakref_offset_of: Final = type.__dict__["__weakrefoffset__"].__get__  # below zero where it takes no room
_POINTER: Final = tuple.__itemsize__  # what a slot adds to an instance (bytes)


def has_own_state(cls: type) -> bool:
    """Whether C code holds state of the class's instances that neither `__dict__`, slots nor FIELDS have.

    Then no `__new__` of a builtin base may make an instance. Told by the class alone: no code of its library runs.
    """
    while id(cls) not in BUILTIN_TYPES:
        namespace = _namespace_of(cls)
        if type(namespace.get("__new__")) is types.BuiltinFunctionType:
            return True
        known = 0  # bytes that the class adds to the instances of its base, as Python's own classes do
        if "__slots__" in namespace:
            known = _POINTER * sum(type(slot) is types.MemberDescriptorType for slot in namespace.values())
        if "__weakref__" in namespace and _weakref_offset_of(cls) > 0:
            known += _POINTER
        above = _base_of(cls)
        if _size_of(cls) - _size_of(above) > known:
            return True
        cls = above
    return False


# Larger ones are no columns of a line: what prints a SyntaxError repeats a character so many times.
_MOST_COLUMNS: Final = 1 << 20
_C_INT: Final = range(-(1 << 31), 1 << 31)


def _is_text(value: Any) -> bool:
    return value is None or type(value) is str


def _is_str(value: Any) -> bool:
    return type(value) is str


def _is_line(value: Any) -> bool:
    return value is None or (type(value) is int and value in _C_INT)


def _is_column(value: Any) -> bool:
    return _is_line(value) and abs(value or 0) <= _MOST_COLUMNS


def _is_start(value: Any) -> bool:
    return type(value) is int and 0 <= value < sys.maxsize


def _is_end(value: Any) -> bool:
    return type(value) is int and -sys.maxsize < value < sys.maxsize


def _is_metadata(value: Any) -> bool:
    """(line, column, source) of a SyntaxError, by which traceback looks for misspelt keywords."""
    if value is None:
        return True
    return type(value) is tuple and len(value) == 3 and all(map(_is_line, value[:2])) and _is_text(value[2])


_UNICODE_CHECKS: Final[dict[str, Callable[[Any], bool]]] = {
    "encoding": _is_str,
    "object": _is_str,
    "start": _is_start,  # before Python 3.14 str() reads memory there without a look
    "end": _is_end,
    "reason": _is_str,
}
# The fields that C code, or traceback, takes without a look. The others may be anything.
_CHECKS: Final[dict[type[BaseException], dict[str, Callable[[Any], bool]]]] = {
    SyntaxError: {
        "filename": _is_text,  # traceback opens a number, too
        "lineno": _is_line,
        "offset": _is_column,
        "text": _is_text,
        "end_lineno": _is_line,
        "end_offset": _is_column,
        "_metadata": _is_metadata,
    },
    UnicodeDecodeError: {**_UNICODE_CHECKS, "object": lambda value: type(value) is bytes},
    UnicodeEncodeError: _UNICODE_CHECKS,
    UnicodeTranslateError: _UNICODE_CHECKS,
    ImportError: {"name": _is_text},
    AttributeError: {"name": _is_text},
    NameError: {"name": _is_text},
}


def put_field(exc: BaseException, name: str, value: Any, state: tuple[type, tuple[str, ...]] | None = None) -> bool:
    """Sets what an exception's C type holds outside of __dict__; whatever comes from data goes through here.

    Returns whether the value was one that the C code, and Python's own printing, can bear. A name that no field
    of this Python has is nothing. state: what fields_of() gives, where that is known.
    """
    state = state or fields_of(_mro_of(type(exc)))
    if state is None or name not in state[1] or name not in state[0].__dict__:
        return True
    check = _CHECKS.get(state[0], {}).get(name)
    if check is not None and not check(value):
        return False
    try:
        state[0].__dict__[name].__set__(exc, value)
    except (TypeError, ValueError, AttributeError, OverflowError):  # C code looks at these itself
        return False
    return True


class _Unsearched(str):
    """A module's name that leads traceback (from Python 3.15 on) to import no package of that name."""

    __slots__ = ()

    def isascii(self) -> bool:
        return True

    def rpartition(self, separator: str) -> tuple[str, str, str]:
        return "", "", self


def _unsearched(exc: BaseException, name: str, value: Any, module: Any) -> Any:
    """The value of a field, such that showing the exception imports nothing, and opens no device.

    traceback imports the module that an ImportError names, to tell of similar names in it (module: that name). From Python
    3.14 on, and in IPython, a SyntaxError's file is opened.
    """
    if type(value) is not str:
        return value
    if name == "filename" and isinstance(exc, SyntaxError):
        return value if may_be_opened(value) else _unopened(value)
    if name == "name_from" and not _is_plainly_loaded(module):
        return _stand_in(_stand_in_class("str", "builtins", False), repr(value), ["str", len(value), value], "not looked up")
    if name == "name" and sys.version_info >= (3, 15) and isinstance(exc, ModuleNotFoundError) and "." in value:
        return _Unsearched(value)
    return value


def _builtin_base(mro: tuple[type, ...]) -> type[BaseException]:
    """The builtin class that instances have the C struct of: making one by its __new__ runs no user code."""
    cls: Any = mro[0]
    while id(cls) not in BUILTIN_TYPES:
        cls = _base_of(cls)
    return cls if issubclass(cls, BaseException) else BaseException


def _builtin_bases(mro: tuple[type, ...]) -> tuple[type[BaseException], ...]:
    """The builtin classes among the bases of which each catches something that the others don't."""
    found: list[type[BaseException]] = []
    for cls in mro:
        if id(cls) in BUILTIN_TYPES and issubclass(cls, BaseException) and not any(issubclass(other, cls) for other in found):
            found.append(cls)
    return tuple(found)


def _exception_types(report: dict[str, Any], policy: Policy) -> list[Any]:
    """For each entry of `types` that has bases, the class: found, or made with the same name. None for the others."""
    types_ = report["types"]
    made: list[Any] = [None] * len(types_)
    flat = not any([bases for _, _, bases in types_])
    for index in range(len(types_)) if flat else _in_order(range(len(types_)), lambda index: types_[index][2]):
        module, qualname, bases = types_[index]
        if not bases and module != "builtins":  # a value's type: no module is looked for because of it
            continue
        found = policy.find(module, qualname)
        if isinstance(found, type) and issubclass(found, BaseException) and _keeps(found, [made[base] for base in bases]):
            made[index] = found
        elif bases:
            above = tuple(dict.fromkeys(made[base] for base in bases if made[base] is not None)) or (Exception,)
            if not policy.trusts:
                above = tuple(dict.fromkeys(_without_hooks(base) for base in above))
            made[index] = _exception_class(qualname, module, above)
    return made


def _is_hooked(mro: tuple[type, ...]) -> bool:
    """Whether making a subclass runs code of the program's."""
    return has_hook(mro, "__init_subclass__") or any(type(cls) not in (type, abc.ABCMeta) for cls in mro)


def _without_hooks(cls: type[BaseException]) -> type[BaseException]:
    """The nearest class above, or the class itself, below which a class can be made without running code of the program's."""
    found: type[BaseException] = next(above for above in _mro_of(cls) if not _is_hooked(_mro_of(above)))
    return found


def _keeps(cls: type, bases: list[Any]) -> bool:
    """Whether the class catches what the original's builtin bases caught: another class may have the same name."""
    return all(base in _mro_of(cls) for base in bases if base is not None and id(base) in BUILTIN_TYPES)


def _make_class(like: type, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> type[BaseException]:
    """A class with the metaclass of another."""
    metaclass: Any = type(like)
    made: type[BaseException] = metaclass(name, bases, namespace)
    return made


@functools.lru_cache(256)
def _exception_class(qualname: str, module: str, bases: tuple[type[BaseException], ...]) -> type[BaseException]:
    namespace = {"__module__": module, "__qualname__": qualname, "__doc__": None}
    name = qualname.rpartition(".")[2] or "Exception"
    for candidate in (bases, bases[:1], (_builtin_base(_mro_of(bases[0])),)):
        try:
            return _make_class(bases[0], name, candidate, dict(namespace))
        except Exception:  # a layout or MRO conflict, or a hook of the user's own base: try with less
            continue
    return type(name, (Exception,), namespace)


def _told(self: BaseException) -> str:
    text: str = self.__keeptrace_str__  # type: ignore[attr-defined]
    return text


def _true(self: BaseException) -> bool:
    return True


@functools.lru_cache(256)
def _leaf(cls: type[BaseException], told: bool, truthy: bool) -> type[BaseException]:
    """A class of the same name below `cls` that tells the recorded message, or counts as true."""
    namespace: dict[str, Any] = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__slots__": (), "__doc__": cls.__doc__}
    if told:
        namespace.update(__slots__=("__keeptrace_str__",), __str__=_told)
    if truthy:
        namespace["__bool__"] = _true
    return _make_class(cls, cls.__name__, (cls,), namespace)


def has_hook(mro: tuple[type, ...], *names: str) -> bool:
    """Whether a class below the builtin ones defines one of the special methods."""
    return any(name in _namespace_of(cls) for cls in mro if id(cls) not in BUILTIN_TYPES for name in names)


def _refs_of(record: dict[str, Any]) -> list[Any]:
    return [record["args"], *record["fields"].values(), *record["attributes"].values()]


# Kinds of nodes that are not the thing itself.
_INEXACT: Final = frozenset({"object", "redacted", "function", "module", "type"})


def is_exact(nodes: list[Any], refs: Iterable[Any]) -> bool:
    """Whether the values are all there, as what they were."""
    waiting = [ref[0] for ref in refs if type(ref) is list]
    seen: set[int] = set()
    while waiting:
        index = waiting.pop()
        if index in seen:
            continue
        seen.add(index)
        node = nodes[index]
        kind = node[0]
        if kind in _INEXACT:
            return False
        if kind in ("list", "tuple", "set", "frozenset", "dict", "str", "bytes", "bytearray") and not _is_whole(node):
            return False
        if kind in ("list", "tuple", "set", "frozenset", "dict", "exact"):
            waiting.extend(ref[0] for ref in node[2] if type(ref) is list)
    return True


class _Exceptions:
    """The report's exceptions, made first and filled later, so that values can refer to them."""

    def __init__(self, report: dict[str, Any], type_of: list[Any], policy: Policy, live: list[Any]) -> None:
        self._records = report["exceptions"]
        self._live = live
        self._as_itself: set[int] = set()  # ids of those that their class's own reduction made
        self._nodes = report["values"]
        self._types = report["types"]
        self._type_of = type_of
        self._policy = policy
        self.made: list[BaseException] = [None] * len(self._records)  # type: ignore[list-item]
        every = range(len(self._records))
        for index in _in_order(every, self._children) if any(["children" in record for record in self._records]) else every:
            self.made[index] = self._make(self._records[index])

    def _children(self, index: int) -> list[int]:
        children: list[int] = self._records[index].get("children", [])
        return children

    def _class(self, record: dict[str, Any]) -> type[BaseException]:
        found_type = self._type_of[record["type"]]
        cls: type[BaseException] = Exception if found_type is None else found_type  # a metaclass may find its class false
        if has_own_state(cls):
            cls = _exception_class(cls.__qualname__, cls.__module__, _builtin_bases(_mro_of(cls)))
        if "str" not in record and id(cls) in BUILTIN_TYPES:
            return cls
        mro = _mro_of(cls)
        module, qualname, _ = self._types[record["type"]]
        found = self._policy.find(module, qualname) is cls
        refs = _refs_of(record)
        # where nothing is looked up nothing is live, so what capture recorded is what the arguments cannot tell
        told = "str" in record and not (
            self._policy.lookups and found and is_exact(self._nodes, refs) and not self._tells_addresses(record, refs)
        )
        truthy = self._policy.truthy and has_hook(mro, "__bool__", "__len__")
        if (told or truthy) and (self._policy.trusts or not _is_hooked(mro)):
            try:
                return _leaf(cls, told, truthy)  # type: ignore[arg-type]  # a class is hashable, or the except says what then
            except Exception:  # a metaclass or __init_subclass__ of the user's refuses: its own message it is, then
                return cls
        return cls

    def _tells_addresses(self, record: dict[str, Any], refs: list[Any]) -> bool:
        """Whether the message has the address of an object that is live: here it is another."""
        told = [*self._nodes[refs[0][0]][2], *refs[1:]]
        return " at 0x" in record["str"] and any(self._nodes[ref[0]][0] == "live" for ref in told if type(ref) is list)

    def _own(self, record: dict[str, Any]) -> BaseException | None:
        """What the class's own reduction makes. Capture has seen that it makes what it was made from."""
        number = record.get("own")
        pickled = self._live[number] if number is not None and number < len(self._live) else None
        if type(pickled) is not bytes:
            return None
        try:
            made = _load_quickly(pickled, self._policy is not POOL)
        except BaseException:  # the library is absent or another version here: a class of the same name takes its place
            return None
        cls = type(made)
        if not issubclass(cls, BaseException) or cls.__qualname__ != self._types[record["type"]][1]:
            return None
        if self._policy.truthy and has_hook(_mro_of(cls), "__bool__", "__len__"):
            return None
        self._as_itself.add(id(made))
        return made  # type: ignore[no-any-return]  # an exception, as was seen

    def _make(self, record: dict[str, Any]) -> BaseException:
        own = self._own(record)
        if own is not None:
            return own
        cls = self._class(record)
        children = record.get("children")
        if children:
            inner = [self.made[child] for child in children if self.made[child] is not None]
            message = record["fields"].get("message", "")
            for candidate in (cls, BaseExceptionGroup):
                try:
                    make: Any = BaseExceptionGroup.__new__
                    group: BaseException = make(candidate, message if type(message) is str else "", inner)
                    return group
                except (TypeError, ValueError):  # a damaged report, or a class that is no group here
                    continue
        try:
            return _builtin_base(_mro_of(cls)).__new__(cls)
        except TypeError:  # a group without children, in a damaged report
            return Exception.__new__(_exception_class(cls.__qualname__, cls.__module__, (Exception,)))

    def fill(self, values: _Values, tracebacks: list[types.TracebackType | None]) -> None:
        for record, exc, traceback in zip(self._records, self.made, tracebacks):
            self._fill(exc, record, values)
            _put_traceback(exc, traceback)
            if record["context"] is not None:
                _put_context(exc, self.made[record["context"]])
            if record["cause"] is not None:
                _put_cause(exc, self.made[record["cause"]])
            _put_suppress(exc, bool(record["suppress"]))  # what puts a cause changes it

    def _fill(self, exc: BaseException, record: dict[str, Any], values: _Values) -> None:
        as_itself = id(exc) in self._as_itself
        if not as_itself or is_exact(self._nodes, [record["args"]]):
            args = values(record["args"])
            _put_args(exc, args if type(args) is tuple else (args,))
        mro = _mro_of(type(exc))
        refused = [] if as_itself else self._put_fields(exc, record["fields"], values)
        if "str" in record:
            told = _slot_of(mro, "__keeptrace_str__")
            if told is not None:
                told.__set__(exc, record["str"])
        for name, ref in record["attributes"].items():
            if as_itself and _has(exc, mro, name) and not is_exact(self._nodes, [ref]):
                continue
            self._put_attribute(exc, mro, name, values(ref))
        notes = _notes(values(record["notes"])) if "notes" in record else None
        if refused:
            kind = type(exc).__name__
            notes = [*_items(notes), f"keeptrace: no {kind} can bear its {', '.join(refused)}: see vars(), in brackets"]
        if record.get("text"):
            notes = [*_items(notes), "keeptrace: the frames were not kept; the traceback as text:\n" + record["text"]]
        if notes is not None:
            _dict_of(exc)["__notes__"] = notes

    def _put_fields(self, exc: BaseException, fields: dict[str, Any], values: _Values) -> list[str]:
        """The names of those that could not be put; they stand aside."""
        refused: list[str] = []
        if not fields:
            return refused
        state = fields_of(_mro_of(type(exc)))
        is_quiet = self._policy.imports or not isinstance(exc, (ImportError, SyntaxError))
        for name, ref in fields.items():
            value = _plain(name, values(ref)) if type(ref) is list else ref
            if not is_quiet:
                value = _unsearched(exc, name, value, values(fields.get("name")))
            if not put_field(exc, name, value, state):
                _dict_of(exc)[_aside(name)] = value
                refused.append(name)
        return refused

    def _put_attribute(self, exc: BaseException, mro: tuple[type, ...], name: str, value: Any) -> None:
        slot = _slot_of(mro, name)
        if slot is not None:
            try:
                slot.__set__(exc, value)
            except (AttributeError, TypeError):  # C code's, to be read only or for one type only
                return
        elif _is_of_builtin(mro, name) or (not self._policy.trusts and _is_protocol(name, value)):
            _dict_of(exc)[_aside(name)] = value
        else:
            _dict_of(exc)[name] = value


def _slot_of(mro: tuple[type, ...], name: str) -> Any:
    """The slot of that name that a class defines in Python; None if there is none."""
    for cls in mro:
        found = _namespace_of(cls).get(name)
        if found is not None:
            is_slot = type(found) is types.MemberDescriptorType and id(cls) not in BUILTIN_TYPES
            return found if is_slot else None
    return None


def _has(exc: BaseException, mro: tuple[type, ...], name: str) -> bool:
    """Whether the exception has a value in its slot or `__dict__`."""
    slot = _slot_of(mro, name)
    if slot is None:
        return name in _dict_of(exc)
    try:
        slot.__get__(exc)
    except AttributeError:
        return False
    return True


# Fields that may be any object; all others are read as str, int or bytes by C code or by `traceback`.
_ANY_VALUE: Final = ("value", "code", "obj")


def _plain(name: str, value: Any) -> Any:
    """The value of a field. A text that was cut is a real text that says so, since a stand-in would make printing fail."""
    details = details_of(value)
    if details is None or name in _ANY_VALUE or not details.node:
        return value
    kind = details.node[0]
    if kind in ("bytes", "bytearray"):
        return details.items.encode("latin-1") + f"... ({details.length} in all)".encode()  # type: ignore[attr-defined]  # a str
    return str(value) if kind == "str" or details.string is not None else value


def _items(notes: Any) -> list[Any]:
    return list(notes) if type(notes) in (list, tuple) else []


def _notes(value: Any) -> Any:
    """Notes as the interpreter can print them: before Python 3.13 it crashes if a sequence raises."""
    details = details_of(value)
    if details is None:
        if has_hook(_mro_of(type(value)), "__getitem__"):  # live, and its code may raise
            return _stand_in(_stand_in_class(type(value).__qualname__, type(value).__module__, False), f"<{type(value).__qualname__}>", [])
        return value
    if details.node and details.node[0] in ("list", "tuple"):
        return [*details.items, f"keeptrace: {len(details.items)} of {details.length} notes were kept"]
    return _stand_in(_stand_in_class(type(value).__qualname__, type(value).__module__, False), details.text, details.node, details.why)


def _is_of_builtin(mro: tuple[type, ...], name: str) -> bool:
    """Whether a builtin base has C state or a method of that name, which data must neither set nor replace."""
    return name not in _OF_ANY_OBJECT and any(name in _namespace_of(cls) for cls in mro if id(cls) in BUILTIN_TYPES)


_OF_ANY_OBJECT: Final = ("__doc__", "__module__")


def _is_plainly_loaded(name: Any) -> bool:
    """Whether `__import__(name)` gives a module that is loaded, and dir() of that runs none of its code."""
    if type(name) is not str:
        return False
    parts = name.split(".")
    modules = [sys.modules.get(".".join(parts[: count + 1])) for count in range(len(parts))]
    return all(type(module) is types.ModuleType and "__dir__" not in _names_in(module) for module in modules)


# --------------------------------------------------------------------------------------------------------------------
# Code and frames.

_KEY: Final = "<keeptrace>"  # no identifier, so it never meets a name of the user's
# What the interpreter and linecache look for in a module's namespace, and then call: never taken from data.
_NEVER_GLOBAL: Final = (_KEY, "__builtins__", "__loader__", "__spec__")
# Frames of modules and class bodies are run by eval(), which takes some 700 bytes of the C stack, of which a thread may
# have 512 kB; and Python 3.12 allows some 500 in all. Those beyond are restored as functions.
_MOST_EVALS: Final = 300
# So many run on the stack of whoever restores, of which little may be left; more run in a thread with a stack of their own.
_EVALS_HERE: Final = 16
_STACK: Final = 2 << 20  # bytes; an eval() takes up to 1,000
_OPTIMIZED_NEWLOCALS: Final = 0x1 | 0x2
_VARARGS_VARKEYWORDS: Final = 0x4 | 0x8
_COROUTINE: Final = 0x80
_ASYNC_GENERATOR: Final = 0x200


@functools.lru_cache(256)
def _template(count: int, unbound: tuple[int, ...], pads: int, is_function: bool, is_outermost: bool) -> types.CodeType:
    """The code described at the head of this file, for a frame with `count` locals.

    unbound: which of them are deleted again (arguments without a value); pads: instructions in front, for more positions.
    """
    import ast  # costly, and no worker process needs it: only who restores does

    where: dict[str, Any] = dict(lineno=1, end_lineno=1, col_offset=0, end_col_offset=0)

    def name(text: str, context: ast.expr_context) -> ast.Name:
        return ast.Name(text, context, **where)

    def call(function: ast.expr) -> ast.Call:
        return ast.Call(function, [], [], **where)

    key = call(name(_KEY, ast.Load()))
    body: list[ast.stmt] = [ast.Expr(key, **where) for _ in range(pads)]
    if count:
        target = ast.Tuple([name(f"v{index}", ast.Store()) for index in range(count)], ast.Store(), **where)
        body.append(ast.Assign([target], key, **where))
    if unbound:
        body.append(ast.Delete([name(f"v{index}", ast.Del()) for index in unbound], **where))
    body.append(ast.Expr(call(key), **where))
    flags = 0
    if is_function:
        no_arguments = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
        define: Any = ast.AsyncFunctionDef if is_outermost else ast.FunctionDef
        if is_outermost:
            body.append(ast.Expr(ast.Yield(None, **where), **where))
        body = [define("f", no_arguments, body, [], **where)]
        if sys.version_info >= (3, 12):
            body[0].type_params = []  # type: ignore[attr-defined]  # FunctionDef has it from 3.12 on
    elif is_outermost:  # a module cannot yield; but it can await, and then be told to be an asynchronous generator
        body.append(ast.Expr(ast.Await(key, **where), **where))
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code: types.CodeType = compile(ast.Module(body, []), "<keeptrace>", "exec", flags, dont_inherit=True, optimize=0)
    if is_function:
        function: types.CodeType = next(const for const in code.co_consts if isinstance(const, types.CodeType))
        return function
    return code.replace(co_flags=code.co_flags & ~_COROUTINE | _ASYNC_GENERATOR) if is_outermost else code


# Extra positions go onto the first instructions, before the last call; every pad makes room for these many more.
_POSITIONS_A_PAD: Final = 4


def _pads(positions: tuple[Any, ...]) -> int:
    return -(-(len(positions) - 1) // _POSITIONS_A_PAD)


def _varint(number: int) -> bytes:
    if number < 0:
        raise ValueError(f"{number} is no column")
    out = bytearray()
    while number >= 0x40:
        out.append(0x40 | number & 0x3F)
        number >>= 6
    out.append(number)
    return bytes(out)


_MOST_LINES: Final = 10_000  # of one expression: traceback reads them all


def _line_entry(units: int, before: int, position: tuple[Any, ...]) -> tuple[bytes, int]:
    """One entry of a code object's location table (CPython, Objects/locations.md), and the line it leaves off at."""
    line, end, column, end_column = position
    if line is None:
        return bytes((0x80 | 15 << 3 | units - 1,)), before
    delta = line - before
    start = _varint((-delta << 1) | 1 if delta < 0 else delta << 1)
    if end is None or column is None or end_column is None or not line <= end <= line + _MOST_LINES:
        return bytes((0x80 | 13 << 3 | units - 1,)) + start, line
    rest = _varint(end - line) + _varint(column + 1) + _varint(end_column + 1)
    return bytes((0x80 | 14 << 3 | units - 1,)) + start + rest, line


def _line_table(units: int, first: int, positions: tuple[tuple[Any, ...], ...]) -> bytes:
    """positions[0] for all instructions but the first ones, which have one of the others each."""
    out = []
    line = first
    for position in positions[1:]:
        entry, line = _line_entry(1, line, position)
        out.append(entry)
    left = units - (len(positions) - 1)
    while left > 0:
        entry, line = _line_entry(min(left, 8), line, positions[0])
        out.append(entry)
        left -= 8
    return b"".join(out)


@functools.lru_cache(4096)
def _code(
    file: str,
    name: str,
    qualname: str,
    first: int,
    flags: int,
    args: tuple[int, int, int],
    names: tuple[str, ...],
    unbound: tuple[int, ...],
    positions: tuple[tuple[Any, ...], ...],
    is_outermost: bool,
) -> types.CodeType:
    is_function = flags & _OPTIMIZED_NEWLOCALS == _OPTIMIZED_NEWLOCALS
    template = _template(len(names), unbound, _pads(positions), is_function, is_outermost)
    first = max(first, 1)  # generated code may start below, but replace() takes no such line
    places: dict[str, Any] = dict(
        co_filename=file,
        co_name=name,
        co_qualname=qualname,
        co_firstlineno=first,
        co_linetable=_line_table(len(template.co_code) // 2, first, positions),
    )
    if is_function:
        positional_only, positional, keyword_only = args
        rest = (flags >> 2 & 1) + (flags >> 3 & 1)  # *args, **kwargs
        if 0 <= positional_only <= positional and keyword_only >= 0 and positional + keyword_only + rest <= len(names):
            places.update(co_posonlyargcount=positional_only, co_argcount=positional, co_kwonlyargcount=keyword_only)
            places.update(co_flags=template.co_flags | flags & _VARARGS_VARKEYWORDS)
        places.update(co_varnames=names)
    return template.replace(**places)


class _Awaited:
    """What the outermost frame of a module awaits, to be suspended."""

    def __await__(self) -> Iterator[None]:
        return iter((None,))


class _Stacks:
    """Collects the stacks of a report and makes their frames."""

    def __init__(self, report: dict[str, Any], values: _Values, files: dict[str, str]) -> None:
        self._frames = report["frames"]
        self._codes = report["codes"]
        self._made = values.made
        self._files = files
        self._globals = [self._named(table) for table in report["globals"]]
        for namespace in self._globals:
            for name in _NEVER_GLOBAL:
                namespace.pop(name, None)
        self._items: list[Any] = []  # what K() gives, in the order in which it is asked for
        self._keyed: dict[int, dict[str, Any]] = {}  # the namespaces that have the key
        self._starts: list[Callable[[], Any]] = []  # of each stack
        self._deepest = 0
        self._evals = 0  # frames of modules and class bodies in the stack that is planned
        self._most_evals = 0  # in one of the stacks

    def _named(self, refs: dict[str, Any]) -> dict[str, Any]:
        made = self._made
        return {name: made[ref[0]] if type(ref) is list else ref for name, ref in refs.items()}

    def add(self, entries: list[list[Any]], outer: list[int]) -> Callable[[], types.TracebackType | None]:
        """Plans the frames of one traceback. What it returns gives the traceback, after run()."""
        frames = self._frames
        # of each frame its index and positions; neighbouring entries of one frame are one
        planned: list[tuple[int, dict[Any, int]]] = [(index, {tuple(frames[index]["at"]): 0}) for index in outer]
        places: list[tuple[int, int, int | None]] = []  # of each entry its frame, the place of its position there, its line
        last = planned[-1][0] if planned else None
        for index, what in entries:
            if index < 0:
                planned.append((index, {what: 0}))
                places.append((len(planned) - 1, 0, 1))
            else:
                if index != last:
                    positions = {tuple(frames[index]["at"]): 0}
                    planned.append((index, positions))
                else:
                    positions = planned[-1][1]
                position = tuple(what)
                places.append((len(planned) - 1, positions.setdefault(position, len(positions)), position[0]))
            last = index
        if not planned:
            return lambda: None
        leaf: list[types.FrameType] = []
        self._plan(planned, leaf)
        self._deepest = max(self._deepest, len(planned))
        return lambda: _traceback(places, leaf[0], len(planned) - 1)

    def _plan(self, planned: list[tuple[int, dict[Any, int]]], leaf: list[types.FrameType]) -> None:
        items = self._items
        self._evals = 0
        is_outermost = True
        for index, positions in planned:
            function, local = self._function(index, tuple(positions), is_outermost)
            if is_outermost:
                self._starts.append(function)
                is_outermost = False
            else:
                items.append(function)
            if len(positions) > 1:
                items.extend([None] * _pads(tuple(positions)))
            if local:
                items.append(local)
        # the C call of the innermost frame: the frame that runs is appended to `leaf`
        items.append(map(leaf.append, iter(sys._getframe, None)).__next__)
        if isinstance(self._starts[-1], functools.partial):
            items.append(_Awaited())

    def _function(self, index: int, positions: tuple[Any, ...], is_outermost: bool) -> tuple[Callable[[], Any], tuple[Any, ...]]:
        """What runs the frame, and its locals."""
        if index < 0:
            told = f"{positions[0]} frames left out"
            made = _code("<keeptrace>", told, told, 1, 3, (0, 0, 0), (), (), ((1, 1, None, None),), is_outermost)
            return types.FunctionType(made, self._with_key({})), ()
        frame = self._frames[index]
        code = self._codes[frame["code"]]
        file = self._files.get(code["file"], code["file"])
        namespace = self._with_key(self._globals[frame["globals"]])
        local = frame["locals"]
        is_function = local is not None and code["flags"] & _OPTIMIZED_NEWLOCALS == _OPTIMIZED_NEWLOCALS
        if not is_function:
            self._evals += 1
            self._most_evals = max(self._most_evals, self._evals)
        if not is_function and self._evals <= _MOST_EVALS:
            made = _code(file, code["name"], code["qualname"], code["line"], 0, (0, 0, 0), (), (), positions, is_outermost)
            if local is None:
                return functools.partial(eval, made, namespace), ()
            local = self._named(local)
            local.pop(_KEY, None)  # in damaged data alone: it would be called
            return functools.partial(eval, made, namespace, local), ()
        arguments, flags, local = (code["names"], code["flags"], local) if is_function else ([], _OPTIMIZED_NEWLOCALS, local or {})
        known = list(local)
        names = tuple(known if known[: len(arguments)] == arguments else dict.fromkeys([*arguments, *known]))  # one may be without a value
        unbound = () if len(names) == len(known) else tuple(at for at, name in enumerate(names) if name not in local)
        args = tuple(code["args"])
        made = _code(file, code["name"], code["qualname"], code["line"], flags, args, names, unbound, positions, is_outermost)
        function = types.FunctionType(made, namespace, None, (None,) * made.co_argcount)
        if made.co_kwonlyargcount:
            function.__kwdefaults__ = dict.fromkeys(names[made.co_argcount : made.co_argcount + made.co_kwonlyargcount])
        values = self._made
        refs = [local.get(name) for name in names] if unbound else local.values()
        return function, tuple([values[ref[0]] if type(ref) is list else ref for ref in refs])

    def _with_key(self, namespace: dict[str, Any]) -> dict[str, Any]:
        self._keyed[id(namespace)] = namespace
        return namespace

    def run(self) -> None:
        """Makes all the frames."""
        if not self._starts:
            return
        following = iter(self._items).__next__
        for namespace in self._keyed.values():
            namespace[_KEY] = following
        try:
            _with_stack_for(self._most_evals, lambda: _with_room_for(self._deepest, lambda: _run_each(self._starts)))
        finally:
            for namespace in self._keyed.values():
                del namespace[_KEY]
                if namespace.get("__builtins__") is builtins.__dict__ or namespace.get("__builtins__") is builtins:
                    del namespace["__builtins__"]  # eval put it there


def _traceback(places: list[tuple[int, int, int | None]], frame: Any, at: int) -> types.TracebackType | None:
    """The traceback over frames that were made, from the innermost, which is number `at`, outwards."""
    traceback: types.TracebackType | None = None
    for number, place, line in reversed(places):
        while at > number:
            frame = frame.f_back
            at -= 1
        # extra positions stand on the first instructions, which are two bytes each
        traceback = types.TracebackType(traceback, frame, 2 * (place - 1) if place else frame.f_lasti, -1 if line is None else line)
    return traceback


def _run_each(starts: list[Callable[[], Any]]) -> None:
    """Runs each stack, and leaves its outermost frame without a caller. See the head of this file."""
    hooks = sys.get_asyncgen_hooks()
    trace = sys.gettrace()
    if trace is not None:  # coverage or a debugger, which would take the frames for the program's own
        sys.settrace(None)
    sys.set_asyncgen_hooks(None, _let_go)
    try:
        for start in starts:
            outermost = start()
            try:
                outermost.__anext__().send(None)
            except StopIteration:  # how an asynchronous generator hands over what it yields
                pass
            del outermost
    finally:
        sys.set_asyncgen_hooks(*hooks)
        if trace is not None:
            sys.settrace(trace)


def _let_go(generator: Any) -> None:
    """The finalizer: nothing is to be finished."""


_stack_lock: Final = _thread.allocate_lock()


def _with_stack_for(evals: int, run: Callable[[], None]) -> None:
    """Runs here, or in a thread with a stack that surely suffices."""
    if evals <= _EVALS_HERE:
        run()
        return
    ended = _thread.allocate_lock()
    ended.acquire()
    problems: list[BaseException] = []

    def run_in_thread() -> None:
        try:
            run()
        except BaseException as problem:  # raised in the thread that waits
            problems.append(problem)
        finally:
            ended.release()

    with _stack_lock:  # the size is the process's: set for the start of one thread
        size = _thread.stack_size(_STACK)
        try:
            _thread.start_new_thread(run_in_thread, ())
        finally:
            _thread.stack_size(size)
    ended.acquire()
    if problems:
        raise problems[0]


_limit_lock: Final = _thread.allocate_lock()
_SPARE: Final = 200  # levels of recursion that the caller of a restore may have used, without a look


def _with_room_for(depth: int, run: Callable[[], None]) -> None:
    """Runs with the recursion limit raised, if the frames need that."""
    if depth + _SPARE < sys.getrecursionlimit() // 2:
        run()
        return
    used = 0
    frame: types.FrameType | None = sys._getframe()
    while frame is not None:
        used += 1
        frame = frame.f_back
    with _limit_lock:  # the limit is the interpreter's: raised for these microseconds, by one restore at a time
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(max(limit, used + depth + _SPARE + 3 * _MOST_EVALS))  # an eval() counts more than once
        try:
            run()
        finally:
            sys.setrecursionlimit(limit)


# --------------------------------------------------------------------------------------------------------------------
# Sources.

# Bounds against forged data, for all the sources of a report. (bytes, lines)
_MAX_SOURCE: Final = 32 << 20
_MAX_LINES: Final = 1_000_000
# Names that all code without a file shares: a snapshot under them would be shown for live code.
_OF_NOBODY: Final = frozenset({"<string>", "<stdin>"})


# A module of this size is generated; nobody reads it in a traceback. (bytes)
MAX_SOURCE_FILE: Final = 8 << 20
# Names of other machines' files on Windows, with either slash: opening one tells that machine who reads.
_NETWORK: Final = ("//", "\\\\", "/\\", "\\/")


def source_text(file: str, most: int = MAX_SOURCE_FILE) -> str | None:
    """The text of a source file by its name: the only function that opens a file that data names.

    None if this is no regular file of at most `most` bytes, cannot be read, or is no text: a device or a pipe may never
    end, or never answer.
    """
    if file.startswith(_NETWORK) or not _is_regular(file, most):
        return None
    import tokenize  # it reads a file by its coding line; costly to import and rarely needed

    try:
        data = _read_regular(file, most)
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return io.StringIO(data.decode(encoding), newline=None).read()
    except (OSError, SyntaxError, ValueError, LookupError):
        return None


def _is_regular(file: str, most: int) -> bool:
    """Whether it is a file with contents. What is in /proc says that it is empty, and need not end."""
    try:
        found = os.stat(file)
    except (OSError, ValueError):
        return False
    return _is_source(found, most)


def _is_source(found: os.stat_result, most: int) -> bool:
    return stat.S_ISREG(found.st_mode) and 0 < found.st_size <= most


def _read_regular(file: str, most: int) -> bytes:
    """The bytes that a regular file says it has; empty if another file took its place meanwhile."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(file, flags), "rb") as stream:
        found = os.fstat(stream.fileno())
        return stream.read(min(found.st_size, most)) if stat.S_ISREG(found.st_mode) else b""


def may_be_opened(file: str) -> bool:
    """Whether linecache, traceback, pdb and the interpreter may be given this name, which they open without a look.

    So they may if there is nothing of that name, a directory, or a regular file with contents and of bounded size.
    """
    if file.startswith("<") and file.endswith(">"):  # code that no file holds; nobody looks for one
        return True
    if file.startswith(_NETWORK):
        return False
    places = [file]
    if not os.path.isabs(file):  # linecache looks for it along sys.path
        places += [os.path.join(above, file) for above in sys.path if type(above) is str]
    if sys.version_info < (3, 13):  # the interpreter's own printer looks there for its last part
        places += [os.path.join(above, os.path.basename(file)) for above in sys.path if type(above) is str]
    return all(map(_is_absent_or_ordinary, places))


def _is_absent_or_ordinary(path: str) -> bool:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return True
    return _is_source(found, MAX_SOURCE_FILE) or stat.S_ISDIR(found.st_mode)


def _unopened(file: str) -> str:
    """What code is called whose file nobody should open."""
    return f"{file} [not opened]"


def _rename_unopened(report: dict[str, Any], renamed: dict[str, str]) -> None:
    """Adds the files of code that must not be opened, but for those that linecache has a text of."""
    for file in {code["file"] for code in report["codes"]} - renamed.keys():
        if not may_be_opened(file) and not _has_snapshot(file):
            renamed[file] = _unopened(file)


def _has_snapshot(file: str) -> bool:
    cached = linecache.cache.get(file)
    return cached is not None and len(cached) > 1 and cached[1] is None


# (file, compressed text) -> modification time and size of the file that was seen to read the same
_same_on_disk: Final[dict[tuple[str, bytes], tuple[int, int]]] = {}
_MOST_SAME: Final = 256


def _is_same_on_disk(file: str, packed: bytes) -> bool:
    """Whether the file was compared before, and has not changed since."""
    try:
        found = os.stat(file)
    except (OSError, ValueError):
        return False
    return _same_on_disk.get((file, packed)) == (found.st_mtime_ns, found.st_size)


def _remember_same(file: str, packed: bytes) -> None:
    try:
        found = os.stat(file)
    except OSError:  # it went meanwhile; nothing is remembered then
        return
    if len(_same_on_disk) >= _MOST_SAME:
        _same_on_disk.clear()
    _same_on_disk[file, packed] = (found.st_mtime_ns, found.st_size)


def _install_sources(sources: dict[str, bytes]) -> dict[str, str]:
    """Lets linecache, and so tracebacks and debuggers, see the snapshot. Gives the files that need another name.

    A file that reads the same here needs nothing. One that is absent gets the snapshot under its own name. One that has
    changed keeps its name for the code that is live in this process; the snapshot gets a name that says what it is.
    """
    renamed: dict[str, str] = {}
    room, most_lines = _MAX_SOURCE, _MAX_LINES
    for file, packed in sources.items():
        cached = linecache.cache.get(file)
        is_snapshot = _has_snapshot(file)  # or code that never had a file
        if not is_snapshot and _is_same_on_disk(file, packed):
            continue
        try:
            text = _unpack(packed, room).decode("utf-8", "replace")
        except (ValueError, zlib.error):
            renamed[file] = f"{file} [snapshot damaged or too large]"  # a name without a file: nothing false is shown for it
            continue
        room -= len(text)
        most_lines -= text.count("\n")
        if most_lines < 0:
            renamed[file] = f"{file} [snapshot too large]"
            continue
        lines = io.StringIO(text, newline=None).readlines()  # the line ends that files have, not those of str.splitlines
        if not is_snapshot and not may_be_opened(file):
            renamed[file] = _unopened(file)
            linecache.cache[renamed[file]] = (len(text), None, lines, renamed[file])
            continue
        here: list[str] | None = cached[2] if is_snapshot else _lines_on_disk(file)  # type: ignore[index, misc]  # then it is an entry
        if here is None:
            here = _lines_of_live(file)
        if here is not None and [line.rstrip() for line in here] == [line.rstrip() for line in lines]:
            if not is_snapshot:
                _remember_same(file, packed)
            continue
        name = file
        if here is not None:
            name = f"{file} [snapshot {zlib.crc32(packed):08x}]"
            renamed[file] = name
        _keep_in_linecache(name, len(text), lines, sources)
    return renamed


# Snapshots of all dumps that were read, in linecache. A program that reads dumps all day keeps the
# newest; those of the dump that is read now all stay. (characters)
_MOST_KEPT: Final = 64 << 20
_kept: Final[dict[str, tuple[Any, ...]]] = {}  # the entries that are ours, the oldest first


def _keep_in_linecache(name: str, size: int, lines: list[str], current: dict[str, bytes]) -> None:
    """Puts a snapshot into linecache, and takes the oldest ones of ours out."""
    _kept.pop(name, None)
    _kept[name] = linecache.cache[name] = (size, None, lines, name)
    left = sum([entry[0] for entry in _kept.values()]) - _MOST_KEPT
    for old in list(_kept):
        if left <= 0:
            break
        if old == name or old.partition(" [snapshot")[0] in current:
            continue
        entry = _kept.pop(old)
        left -= entry[0]
        if linecache.cache.get(old) is entry:
            del linecache.cache[old]


def _lines_of_live(file: str) -> list[str] | None:
    """The lines of a module that is live here, and that no file holds (a loader does, or nobody); None if there is none."""
    if file.startswith("<frozen ") or file in _OF_NOBODY:
        return []
    for module in list(sys.modules.values()):
        if issubclass(type(module), types.ModuleType):
            namespace = _names_in(module)
            if type(namespace.get("__file__")) is str and namespace["__file__"] == file:
                return linecache.getlines(file, namespace)
    return None


def _lines_on_disk(file: str) -> list[str] | None:
    """The lines of a file; none of one that cannot be read, None if there is no file."""
    if not os.path.isfile(file):
        return None
    text = source_text(file)
    return [] if text is None else io.StringIO(text).readlines()


def _unpack(packed: bytes, most: int) -> bytes:
    """zlib, within a bound: a few kilobytes can claim to be gigabytes."""
    engine = zlib.decompressobj()
    data = engine.decompress(packed, most)
    if engine.unconsumed_tail or not engine.eof:
        raise ValueError(f"compressed data is damaged or larger than {most} bytes")
    return data


# --------------------------------------------------------------------------------------------------------------------
# The way in.


def restore(report: Any, policy: Policy = BUILTINS) -> BaseException:
    """The exception that a report tells of: type, args, attributes, notes, chain, and real tracebacks.

    Raises ValueError, TypeError, KeyError or IndexError for a report that is not laid out as _report.py says.
    """
    type_of = _exception_types(report, policy)
    values = _Values(report, type_of, policy)
    values.make_shells()
    exceptions = _Exceptions(report, type_of, policy, values.live)
    values.finish(exceptions.made)
    files = _install_sources(report["sources"]) if report["sources"] else {}
    if not policy.imports:
        _rename_unopened(report, files)
    stacks = _Stacks(report, values, files)
    tracebacks = [stacks.add(record["traceback"], record.get("outer", [])) for record in report["exceptions"]]
    stacks.run()
    exceptions.fill(values, [traceback() for traceback in tracebacks])
    return exceptions.made[0]


def read_payload(payload: dict[str, Any], most: int = 64 << 20) -> dict[str, Any]:
    """The report in the payload of a dump (laid out in _format.py). Raises ValueError for damaged data."""
    import json

    report: dict[str, Any] = json.loads(_unpack(payload["body"], most))
    report["sources"] = dict(payload["sources"])
    report["live"] = payload["live"]
    return report


def boot(payload: dict[str, Any]) -> Any:
    """What plain pickle.load of a dump gives: the exception, its exc_info tuple, or the bare traceback."""
    exc = restore(read_payload(payload), KNOWN)
    given = {"exception": exc, "exc_info": (type(exc), exc, exc.__traceback__), "traceback": exc.__traceback__}
    return given[payload["kind"]]
