"""Summaries of SQLAlchemy's rows, sessions, engines and connections.

No SQL runs, and no method of the objects is called: the attributes that they have stored are read.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, Final

from ..core.raw import ABSENT, class_attribute, first_of, instance_dict, loaded, mro_of, name_of
from .statements import MOST_TEXT, STATEMENTS, text_in
from .summary import Summary, Table, beginning

if TYPE_CHECKING:
    from .text_writer import TextWriter

# More than a table has columns. (fields)
_MOST_FIELDS: Final = 200

# -- rows


def _row(cls: object, value: object) -> Summary:
    """A row of a result: its values by the names of the columns."""
    name = name_of(type(value))
    data = _read(value, "_data")
    places = _read(value, "_key_to_index")
    if type(data) is not tuple or type(places) is not dict:
        return Summary(f"<{name}>")
    names = _names_by_place(places)
    fields: dict[str, Any] = {}
    for at, item in enumerate(data[:_MOST_FIELDS]):
        fields[names.get(at, f"column {at}")] = item

    def write(writer: TextWriter) -> None:
        writer.fields(name, fields.items())

    return Summary(write, length=len(data), held=fields)


def _names_by_place(places: dict[Any, Any]) -> dict[int, str]:
    """The first name of each column. A column has several keys: texts and objects."""
    names: dict[int, str] = {}
    for key, at in first_of(dict.items, places, 4 * _MOST_FIELDS):
        name = text_in(key)
        if name and type(at) is int:
            names.setdefault(at, name)
    return names


def _read(value: object, name: str) -> object:
    """An attribute in a slot, or of a class of C."""
    found = class_attribute(mro_of(type(value)), name)
    if type(found) in (types.MemberDescriptorType, types.GetSetDescriptorType):
        return found.__get__(value)
    return ABSENT


# -- sessions and connections

_IN_TRANSACTION: Final = "in a transaction"


def _session(cls: object, value: object) -> Summary:
    """A session: the counts of the objects that the next flush writes, and the database."""
    session = instance_dict(value).get("sync_session", value)
    state = instance_dict(session)
    identities = instance_dict(state.get("identity_map"))
    counts = {
        "new": _length(state.get("_new")),
        "dirty": _length(identities.get("_modified")),
        "deleted": _length(state.get("_deleted")),
        "loaded": _length(identities.get("_dict")),
    }
    url = _url_of(state.get("bind"))
    in_transaction = state.get("_transaction") is not None
    told = [f"{name}={count}" for name, count in counts.items()]
    if in_transaction:
        told.append(_IN_TRANSACTION)
    facts = {**counts, "in_transaction": in_transaction, "bind": url}
    return Summary(_told(value, told, url), facts)


def _length(value: Any) -> int | None:
    if type(value) in (dict, set):
        return len(value)
    return None


def _engine(cls: object, value: object) -> Summary:
    url = _url_of(value)
    return Summary(_told(value, [], url), {"url": url})


def _connection(cls: object, value: object) -> Summary:
    connection = instance_dict(value).get("sync_connection", value)
    state = instance_dict(connection)
    url = _url_of(state.get("engine"))
    is_closed = state.get("_dbapi_connection") is None
    in_transaction = state.get("_transaction") is not None
    told = []
    if is_closed:
        told.append("closed")
    if in_transaction:
        told.append(_IN_TRANSACTION)
    facts = {"closed": is_closed, "in_transaction": in_transaction, "url": url}
    return Summary(_told(value, told, url), facts)


def _told(value: object, told: list[str], url: str | None) -> str:
    """The class, the facts, and the database's address: <Session new=0, to sqlite://>."""
    if url:
        told = [*told, f"to {url}"]
    facts = ", ".join(told)
    return f"<{name_of(type(value))} {facts}".rstrip() + ">"


# -- addresses


def _url(cls: object, value: object) -> Summary:
    text = _url_text(value)
    return Summary(f"<URL {text}>", {"text": text})


def _url_of(bind: object) -> str | None:
    """The URL of an engine or a connection."""
    for name in ("sync_engine", "engine"):
        bind = instance_dict(bind).get(name, bind)
    return _url_text(instance_dict(bind).get("url"))


def _url_text(url: Any) -> str | None:
    """A URL without password and query."""
    if loaded("sqlalchemy.engine.url", "URL") is not type(url):
        return None
    driver, user, _, host, port, database, _ = tuple.__iter__(url)
    text = f"{driver}://"
    if user:
        text += f"{user}@"
    text += str(host or "")
    if port:
        text += f":{port}"
    if database:
        text += f"/{database}"
    return beginning(text, MOST_TEXT)


DATABASE: Final[Table] = {
    **STATEMENTS,
    ("sqlalchemy.engine", "Row"): _row,
    ("sqlalchemy.engine", "RowMapping"): _row,
    ("sqlalchemy.engine", "Engine"): _engine,
    ("sqlalchemy.engine", "URL"): _url,
    ("sqlalchemy.engine", "Connection"): _connection,
    ("sqlalchemy.orm", "Session"): _session,
    ("sqlalchemy.ext.asyncio", "AsyncSession"): _session,
    ("sqlalchemy.ext.asyncio", "AsyncEngine"): _engine,
    ("sqlalchemy.ext.asyncio", "AsyncConnection"): _connection,
}
