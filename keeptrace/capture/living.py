"""Summaries of generators, sockets, connections to databases, matches, mocks and elements.

The C methods of Python's and the libraries' own classes read the objects, so a subclass's methods
never run. A summary sends nothing, queries nothing, reads no file, and never waits.
"""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..core.raw import first_of, instance_dict, name_of, names_of, text_keys
from .facts import facts_of_code
from .locals import read_locals
from .summary import FEW, SummariseAs, Summary, Table, beginning, is_atom, short

if TYPE_CHECKING:
    from .text_writer import TextWriter

# -- generators and coroutines


class _Names(
    NamedTuple(
        "_Names",
        [
            ("code", str),
            ("frame", str),
            ("running", str),
            ("suspended", str),
            ("awaited", str),
        ],
    )
):
    """The names of the attributes of a class that can be suspended."""

    __slots__ = ()


_SUSPENDED: Final = {
    id(types.GeneratorType): _Names(
        "gi_code", "gi_frame", "gi_running", "gi_suspended", "gi_yieldfrom"
    ),
    id(types.CoroutineType): _Names(
        "cr_code", "cr_frame", "cr_running", "cr_suspended", "cr_await"
    ),
    id(types.AsyncGeneratorType): _Names(
        "ag_code", "ag_frame", "ag_running", "ag_suspended", "ag_await"
    ),
}


def _generator(cls: type, value: Any) -> Summary:
    """A generator or coroutine: the current line, the variables, and the awaited object."""
    names = _SUSPENDED[id(cls)]
    code = cls.__dict__[names.code].__get__(value)
    frame = cls.__dict__[names.frame].__get__(value)
    is_running = cls.__dict__[names.running].__get__(value)
    line = None
    if frame is not None:
        line = frame.f_lineno
    facts: dict[str, Any] = {
        "state": _state_of(cls, names.suspended, value, frame, is_running),
        "file": str.__str__(code.co_filename),
        "line": line,
    }
    name = str.__str__(value.__qualname__)
    text = f"<{name_of(cls)} object {name} at {id(value):#x}>"
    if frame is None or is_running:
        return Summary(text, facts)
    is_traced = bool(sys.gettrace() or sys.getprofile())
    local = read_locals(frame, facts_of_code(code), is_traced)
    held: dict[str, Any] = {"locals": local}
    waits_for = cls.__dict__[names.awaited].__get__(value)
    if waits_for is not None:
        held["waits_for"] = waits_for
    return Summary(text, facts, held=held)


def _state_of(cls: object, name: str, value: object, frame: object, is_running: bool) -> str:
    """The state in words. name: the attribute that is true while suspended."""
    if frame is None:
        return "ended"
    if is_running:
        return "running"
    suspended = cls.__dict__.get(name)  # ag_suspended is new in 3.12
    is_suspended = suspended is None or suspended.__get__(value)
    if is_suspended:
        return "suspended"
    return "not started"


# -- sockets


def _socket(cls: Any, value: object) -> Summary:
    """A socket: descriptor, kind and addresses. The addresses come from the system."""
    descriptor = cls.fileno(value)
    family = _enum_name("AddressFamily", cls.__dict__["family"].__get__(value))
    kind = _enum_name("SocketKind", cls.__dict__["type"].__get__(value))
    timeout = cls.__dict__["timeout"].__get__(value)
    facts: dict[str, Any] = {
        "fileno": descriptor,
        "family": family,
        "type": kind,
        "timeout": timeout,
    }
    told = [f"fileno={descriptor}", f"family={family}", f"type={kind}"]
    if descriptor != -1:
        for name, ask in (("laddr", cls.getsockname), ("raddr", cls.getpeername)):
            try:
                address = ask(value)
            except OSError:  # not bound, or not connected
                continue
            facts[name] = address
            told.append(f"{name}={short(address)}")
    _module, qualname = names_of(type(value))
    return Summary(f"<{qualname} object: {', '.join(told)}>", facts)


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
    name = ".".join(names_of(type(value)))
    lead = f"<{name} object at {id(value):#x}"
    facts: dict[str, Any] = {}
    try:
        for fact in ("in_transaction", "isolation_level", "total_changes"):
            facts[fact] = cls.__dict__[fact].__get__(value)
    except Exception:  # of sqlite3: the connection is closed, or was never opened
        return Summary(f"{lead}, not open>", {"is_open": False})
    told = [f"{fact}={short(item)}" for fact, item in facts.items()]
    shown = ", ".join(told)
    return Summary(f"{lead}: {shown}>", facts)


def _row(cls: Any, value: object) -> Summary:
    """A row: the values by the names of the columns."""
    names = cls.keys(value)
    named = text_keys(zip(names, cls.__iter__(value)))

    def write(writer: TextWriter) -> None:
        writer.fields(name_of(type(value)), named.items())

    length = cls.__len__(value)
    return Summary(write, length=length, held=named)


# -- matches of regular expressions


# A match shows the beginning of its text, with a quote before it. (characters)
_MOST_MATCH: Final = 49


def _match(cls: Any, value: Any) -> Summary:
    """A match: place, text and named groups. A text in a mapped file is never read."""
    string = cls.__dict__["string"].__get__(value)
    span = cls.span(value)
    if type(string) not in (str, bytes):
        return Summary(f"<re.Match object; span={span}>", {"span": span})
    facts = {"span": span, "pos": value.pos, "endpos": value.endpos}
    held = {"string": string, "re": cls.__dict__["re"].__get__(value)}
    named = cls.groupdict(value)
    if named:
        held["groupdict"] = named
    text = cls.__repr__(value)
    found = cls.group(value)
    if type(found) is str:
        kept = beginning(found, _MOST_MATCH)
        shown = found[:_MOST_MATCH]
        if len(kept) < len(shown):  # without a URL's password
            text = f"<re.Match object; span={span}, match={kept!r}>"
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
    facts: dict[str, Any] = {}
    told = ""
    if type(name) is str:
        facts["name"] = name
        told = f" name={beginning(name)!r}"
    own = name_of(type(value))
    text = f"<{own}{told} at {id(value):#x}, calls={count}>"
    held = {}
    for raw, known in _MOCK_FACTS.items():
        if raw in state:
            held[known] = state[raw]
    held["mock_calls"] = made
    held["children"] = _children(state.get("_mock_children"))
    for given, item in _given(state).items():
        held.setdefault(given, item)
    return Summary(text, facts, held=held)


def _calls(calls: object) -> list[Any]:
    """The first calls as tuples of name, arguments and keywords."""
    if not issubclass(type(calls), list):
        return []
    few = []
    for call in first_of(list.__iter__, calls, FEW):
        if issubclass(type(call), tuple):
            few.append(tuple(tuple.__iter__(call)))
    return few


def _children(children: object) -> dict[str, Any]:
    """The mocks of a mock's attributes, by name."""
    if not issubclass(type(children), dict):
        return {}
    return text_keys(first_of(dict.items, children, 10 * FEW))


def _given(state: object) -> dict[str, Any]:
    """The attributes of a mock set by the test."""
    own = ("_mock_", "_spec_", "method_calls")
    named = text_keys(first_of(dict.items, state, 10 * FEW))
    return {name: item for name, item in named.items() if not name.startswith(own)}


# -- elements of XML and HTML


def _element(cls: Any, value: object) -> Summary:
    """An element: tag, attributes and a little text. The tag is the name of the text."""
    read = cls.__dict__
    own = name_of(type(value))
    if type(read.get("tag")) is not types.GetSetDescriptorType:
        return Summary(f"<{own} at {id(value):#x}>", has_state=True)
    tag = _shortened(read["tag"].__get__(value))
    text = _shortened(read["text"].__get__(value))
    attributes: dict[str, object] = {}
    for name, item in cls.items(value)[:FEW]:
        if type(name) is str:
            attributes[beginning(name)] = _shortened(item)
    local = _local(str(tag))
    facts: dict[str, Any] = {
        "tag": tag,
        "attrib": attributes,
        "content": {str(tag): text},
    }
    inside = ""
    for name, item in attributes.items():
        inside += f" {_local(name)}={short(item)}"
    count = cls.__len__(value)
    said = ""
    if text:  # redaction sees the name beside the text
        said = f": {local}={short(text)}"
    return Summary(f"<{own} {local!r}{inside} children={count}{said}>", facts, count)


def _local(name: str) -> str:
    """A name without its namespace."""
    _namespace, _, local = name.rpartition("}")
    return local


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
