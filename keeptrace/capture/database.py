"""Summaries of SQLAlchemy's rows, sessions, engines and connections.

No SQL runs, and no method of the objects is called: the attributes that they have stored are read.
"""

from __future__ import annotations

import types
from typing import Any, Final

from ..core.raw import ABSENT, attribute_of, first_of, instance_dict, loaded, mro_of, name_of
from .statements import MOST_TEXT, STATEMENTS, text_in
from .summary import Summary, Table, beginning

# More than a table has columns. (fields)
_MOST_FIELDS: Final = 200

# -- rows


def _row(cls: object, value: object) -> Summary:
    """A row of a result: its values by the names of the columns."""
    data, places = _read(value, "_data"), _read(value, "_key_to_index")
    if type(data) is not tuple or type(places) is not dict:
        return Summary(f"<{name_of(type(value))}>")
    names: dict[int, str] = {}
    for key, at in first_of(dict.items, places, 4 * _MOST_FIELDS):
        if text_in(key) and type(at) is int:
            names.setdefault(at, text_in(key))
    fields = {names.get(at, f"column {at}"): item for at, item in enumerate(data[:_MOST_FIELDS])}
    name = name_of(type(value))
    return Summary(
        lambda writer: writer.fields(name, fields.items()), length=len(data), held=fields
    )


def _read(value: object, name: str) -> object:
    """An attribute in a slot, or of a class of C."""
    found = attribute_of(mro_of(type(value)), name)[1]
    if type(found) in (types.MemberDescriptorType, types.GetSetDescriptorType):
        return found.__get__(value)
    return ABSENT


# -- sessions and connections


def _session(cls: object, value: object) -> Summary:
    """A session: the counts of the objects that the next flush writes, and the database."""
    state = instance_dict(instance_dict(value).get("sync_session", value))
    identities = instance_dict(state.get("identity_map"))
    counts = {
        "new": _length(state.get("_new")),
        "dirty": _length(identities.get("_modified")),
        "deleted": _length(state.get("_deleted")),
        "loaded": _length(identities.get("_dict")),
    }
    url = _url_of(state.get("bind"))
    facts = {**counts, "in_transaction": state.get("_transaction") is not None, "bind": url}
    told = [f"{name}={count}" for name, count in counts.items()]
    return Summary(_told(value, [*told, *_flags(facts)], url), facts)


def _length(value: Any) -> int | None:
    return len(value) if type(value) in (dict, set) else None


def _engine(cls: object, value: object) -> Summary:
    url = _url_of(value)
    return Summary(_told(value, [], url), {"url": url})


def _connection(cls: object, value: object) -> Summary:
    state = instance_dict(instance_dict(value).get("sync_connection", value))
    url = _url_of(state.get("engine"))
    facts = {
        "closed": state.get("_dbapi_connection") is None,
        "in_transaction": state.get("_transaction") is not None,
        "url": url,
    }
    return Summary(_told(value, _flags(facts), url), facts)


def _flags(facts: dict[str, Any]) -> list[str]:
    flags = {"closed": "closed", "in_transaction": "in a transaction"}
    return [told for name, told in flags.items() if facts.get(name)]


def _told(value: object, parts: list[str], url: str | None) -> str:
    place = [f"to {url}"] if url else []
    return f"<{' '.join([name_of(type(value)), ', '.join([*parts, *place])]).strip()}>"


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
