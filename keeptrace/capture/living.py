"""Summaries of generators, sockets, connections to databases, matches, mocks and elements.

The C methods of Python's and the libraries' own classes read the objects, so a subclass's methods
never run. A summary sends nothing, queries nothing, reads no file, and never waits.
"""

from __future__ import annotations

import sys
import types
from typing import Any, Final

from ..core.raw import first_of, instance_dict, name_of, names_of
from .facts import facts_of_code
from .locals import read_locals
from .summary import FEW, SummariseAs, Summary, Table, beginning, is_atom, short

# -- generators and coroutines

# The class → the prefix of the attributes, and the attribute with the awaited object
_SUSPENDED: Final = {
    id(types.GeneratorType): ("gi", "gi_yieldfrom"),
    id(types.CoroutineType): ("cr", "cr_await"),
    id(types.AsyncGeneratorType): ("ag", "ag_await"),
}


def _generator(cls: type, value: Any) -> Summary:
    """A generator or coroutine: the current line, the variables, and the awaited object."""
    prefix, awaited = _SUSPENDED[id(cls)]
    code, frame, is_running = (
        cls.__dict__[f"{prefix}_{name}"].__get__(value) for name in ("code", "frame", "running")
    )
    state = _state_of(cls, prefix, value, frame, is_running)
    facts: dict[str, Any] = {"state": state, "file": str.__str__(code.co_filename), "line": None}
    if frame is not None:
        facts["line"] = frame.f_lineno
    name = str.__str__(value.__qualname__)
    text = f"<{name_of(cls)} object {name} at {id(value):#x}>"
    if frame is None or is_running:
        return Summary(text, facts)
    is_traced = bool(sys.gettrace() or sys.getprofile())
    held: dict[str, Any] = {"locals": read_locals(frame, facts_of_code(code), is_traced)}
    waits_for = cls.__dict__[awaited].__get__(value)
    if waits_for is not None:
        held["waits_for"] = waits_for
    return Summary(text, facts, held=held)


def _state_of(cls: object, prefix: str, value: object, frame: object, is_running: bool) -> str:
    if frame is None:
        return "ended"
    if is_running:
        return "running"
    suspended = cls.__dict__.get(f"{prefix}_suspended")  # ag_suspended is new in 3.12
    is_suspended = suspended is None or suspended.__get__(value)
    if is_suspended:
        return "suspended"
    return "not started"


# -- sockets


def _socket(cls: Any, value: object) -> Summary:
    """A socket: descriptor, kind and addresses. The addresses come from the system."""
    facts: dict[str, Any] = {"fileno": cls.fileno(value)}
    for name, kind in (("family", "AddressFamily"), ("type", "SocketKind")):
        number = cls.__dict__[name].__get__(value)
        facts[name] = _enum_name(kind, number)
    facts["timeout"] = cls.__dict__["timeout"].__get__(value)
    if facts["fileno"] != -1:
        for name, ask in (("laddr", cls.getsockname), ("raddr", cls.getpeername)):
            try:
                facts[name] = ask(value)
            except OSError:  # not bound, or not connected
                continue
    told = [f"{name}={item}" for name, item in facts.items() if name in ("family", "type")]
    told += [f"{name}={short(facts[name])}" for name in ("laddr", "raddr") if name in facts]
    told.insert(0, f"fileno={facts['fileno']}")
    return Summary(f"<{names_of(type(value))[1]} object: {', '.join(told)}>", facts)


def _enum_name(kind: str, number: int) -> str | int:
    """The socket module's name for a number; the number itself without such a name."""
    module = sys.modules.get("socket")
    if module is None:
        return number
    members = instance_dict(module).get(kind)
    if members is None:
        return number
    found = members._value2member_map_.get(number)
    if found is None:
        return number
    return str(found._name_)


# -- sqlite3


def _connection(cls: object, value: object) -> Summary:
    """A connection: whether a transaction is open. Only SQLite knows the name of the file."""
    name = f"<{'.'.join(names_of(type(value)))} object at {id(value):#x}"
    facts: dict[str, Any] = {}
    try:
        for fact in ("in_transaction", "isolation_level", "total_changes"):
            facts[fact] = cls.__dict__[fact].__get__(value)
    except Exception:  # of sqlite3: the connection is closed, or was never opened
        return Summary(f"{name}, not open>", {"is_open": False})
    told = ", ".join(f"{fact}={short(item)}" for fact, item in facts.items())
    return Summary(f"{name}: {told}>", facts)


def _row(cls: Any, value: object) -> Summary:
    """A row: the values by the names of the columns."""
    pairs = dict(zip(cls.keys(value), cls.__iter__(value)))
    named = {name: item for name, item in pairs.items() if type(name) is str}
    return Summary(
        lambda writer: writer.fields(name_of(type(value)), named.items()),
        length=cls.__len__(value),
        held=named,
    )


# -- matches of regular expressions


# A match shows the beginning of its text, with a quote before it. (characters)
_MOST_MATCH: Final = 49


def _match(cls: Any, value: Any) -> Summary:
    """A match: place, text and named groups. A text in a mapped file is never read."""
    string = cls.__dict__["string"].__get__(value)
    if type(string) not in (str, bytes):
        return Summary(f"<re.Match object; span={cls.span(value)}>", {"span": cls.span(value)})
    facts = {"span": cls.span(value), "pos": value.pos, "endpos": value.endpos}
    held = {"string": string, "re": cls.__dict__["re"].__get__(value)}
    named = cls.groupdict(value)
    if named:
        held["groupdict"] = named
    found, text = cls.group(value), cls.__repr__(value)
    if type(found) is str and len(beginning(found, _MOST_MATCH)) < min(len(found), _MOST_MATCH):
        text = f"<re.Match object; span={cls.span(value)}, match={beginning(found, _MOST_MATCH)!r}>"
    return Summary(text, facts, held=held)


# -- mocks

_MOCK_FACTS: Final = {
    "_mock_called": "called",
    "_mock_call_count": "call_count",
    "_mock_return_value": "return_value",
    "_mock_side_effect": "side_effect",
}


def _mock(cls: object, value: object) -> Summary:
    """A mock: the name, the calls, and the attributes set by the test."""
    state = instance_dict(value)
    calls: Any = state.get("_mock_mock_calls")
    made = _calls(calls)
    count = 0
    if made:
        count = list.__len__(calls)
    name: Any = state.get("_mock_name")
    facts = {"name": name} if type(name) is str else {}
    told = ""
    if facts:
        told = f" name={beginning(name)!r}"
    text = f"<{name_of(type(value))}{told} at {id(value):#x}, calls={count}>"
    held = {known: state[raw] for raw, known in _MOCK_FACTS.items() if raw in state}
    held["mock_calls"] = made
    held["children"] = _children(state.get("_mock_children"))
    for given, item in _given(state).items():
        held.setdefault(given, item)
    return Summary(text, facts, held=held)


def _calls(calls: object) -> list[Any]:
    """The first calls as tuples of name, arguments and keywords."""
    if not issubclass(type(calls), list):
        return []
    found = first_of(list.__iter__, calls, FEW)
    return [tuple(tuple.__iter__(call)) for call in found if issubclass(type(call), tuple)]


def _children(children: object) -> dict[str, Any]:
    """The mocks of a mock's attributes, by name."""
    if not issubclass(type(children), dict):
        return {}
    pairs = first_of(dict.items, children, 10 * FEW)
    return {name: child for name, child in pairs if type(name) is str}


def _given(state: object) -> dict[str, Any]:
    """The attributes of a mock set by the test."""
    return {
        name: item
        for name, item in first_of(dict.items, state, 10 * FEW)
        if type(name) is str and not name.startswith(("_mock_", "_spec_", "method_calls"))
    }


# -- elements of XML and HTML


def _element(cls: Any, value: object) -> Summary:
    """An element: tag, attributes and a little text. The tag is the name of the text."""
    read = cls.__dict__
    if type(read.get("tag")) is not types.GetSetDescriptorType:
        return Summary(f"<{name_of(type(value))} at {id(value):#x}>", has_state=True)
    tag, text = (_shortened(read[name].__get__(value)) for name in ("tag", "text"))
    attributes = {
        beginning(name): _shortened(item)
        for name, item in cls.items(value)[:FEW]
        if type(name) is str
    }
    local = _local(str(tag))
    facts: dict[str, Any] = {"tag": tag, "attrib": attributes, "content": {str(tag): text}}
    inside = "".join(f" {_local(name)}={short(item)}" for name, item in attributes.items())
    count = cls.__len__(value)
    said = ""
    if text:  # redaction sees the name beside the text
        said = f": {local}={short(text)}"
    name = name_of(type(value))
    return Summary(f"<{name} {local!r}{inside} children={count}{said}>", facts, count)


def _local(name: str) -> str:
    """A name without its namespace."""
    return name.rpartition("}")[2]


def _shortened(value: object) -> object:
    if type(value) is str:
        return beginning(value.strip())
    if is_atom(value):
        return value
    return f"<{name_of(type(value))}>"


# Builtin classes without subclasses
BUILTIN: Final[dict[int, SummariseAs]] = dict.fromkeys(_SUSPENDED, _generator)
LIVING: Final[Table] = {
    ("_socket", "socket"): _socket,
    ("sqlite3", "Connection"): _connection,
    ("sqlite3", "Row"): _row,
    ("re", "Match"): _match,
    ("unittest.mock", "NonCallableMock"): _mock,
    ("xml.etree.ElementTree", "Element"): _element,
    ("lxml.etree", "_Element"): _element,
}
