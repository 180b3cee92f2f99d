"""Summaries of requests of web frameworks, and of rows of object-relational mappers.

A summary shows only loaded data: it never reads a body, parses a form or queries a field.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ..core.raw import (
    attribute_of,
    first_of,
    instance_dict,
    loaded,
    mro_of,
    name_of,
    namespace_of,
    qualname_of,
    state_of,
)
from .plain_code import NotPlain
from .summary import MOST_VALUE, Summarise, Summary, Table, plain, short

if TYPE_CHECKING:
    from .text_writer import TextWriter

# Headers of one request. (headers)
_MOST_HEADERS: Final = 50
# More fields than a table has columns. (fields)
_MOST_FIELDS: Final = 200

# -- requests


def _request(
    method: object, path: object, query: object, headers: dict[str, Any]
) -> tuple[str, dict[str, Any]]:
    """The text of a request, and the headers as facts."""
    target = plain(path)
    shown = _query_text(query)
    if shown:
        target = f"{target}?{shown}"
    text = f"{plain(method)} {short(target)}"
    return text, {"headers": headers}


def _query_text(query: object) -> str:
    """The query of a request as a text; "" for any other value."""
    if type(query) is bytes:
        found: bytes = plain(query)
        return found.decode("latin-1")
    if type(query) is str:
        return str(plain(query))
    return ""


def _of_environ(environ: object) -> dict[str, Any]:
    """The headers in the environment of a WSGI request, by their names in a request."""
    found = {}
    for name, item in first_of(dict.items, environ, 4 * _MOST_HEADERS):
        if type(name) is str and type(item) is str and _is_header(name):
            words = name.removeprefix("HTTP_").split("_")
            header = "-".join(words).title()
            found[header] = item
    return dict(itertools.islice(found.items(), _MOST_HEADERS))


def _is_header(name: str) -> bool:
    return name.startswith("HTTP_") or name in ("CONTENT_TYPE", "CONTENT_LENGTH")


def _wsgi_request(cls: object, value: object) -> Summary:
    """A request of Flask, Werkzeug or Django under WSGI."""
    environ: Any = instance_dict(value).get("environ")
    if not issubclass(type(environ), dict):
        return _asgi_request(cls, value)
    read = functools.partial(dict.get, environ)
    headers = _of_environ(environ)
    target = read("PATH_INFO")
    told, facts = _request(read("REQUEST_METHOD"), target, read("QUERY_STRING"), headers)
    own = name_of(type(value))
    return Summary(f"<{own} {told}>", facts, has_state=True)


def _asgi_request(cls: object, value: object) -> Summary:
    """A request of Starlette, FastAPI or Django under ASGI."""
    scope: Any = instance_dict(value).get("scope")
    own = name_of(type(value))
    if not issubclass(type(scope), dict):
        return Summary(f"<{own}>", has_state=True)
    read = functools.partial(dict.get, scope)
    headers = _of_scope(read("headers"))
    method = read("method", read("type"))
    told, facts = _request(method, read("path"), read("query_string"), headers)
    return Summary(f"<{own} {told}>", facts, has_state=True)


def _of_scope(pairs: Any) -> dict[str, Any]:
    """The headers of an ASGI request: pairs of bytes."""
    headers: dict[str, Any] = {}
    if type(pairs) not in (list, tuple):
        return headers
    for pair in pairs[:_MOST_HEADERS]:
        if type(pair) not in (list, tuple):
            continue
        if list(map(type, pair)) == [bytes, bytes]:
            name, value = pair
            headers[name.decode("latin-1")] = value.decode("latin-1")
    return headers


# -- rows of object-relational mappers


def _django_model(base: type, value: object) -> Summary:
    """A model: the loaded fields. A plain __str__ or __repr__ of the program's makes the text."""
    mro = mro_of(type(value))
    owner_of_repr, _ = attribute_of(mro, "__repr__")
    if owner_of_repr is not base:
        return Summary(lambda writer: writer.tell(value), has_state=True)
    owner, function = attribute_of(mro, "__str__")
    fields = dict(_loaded_fields(value))
    fields.pop("_state", None)
    write = _with_fields(value, fields)
    if owner is not base:
        return Summary(lambda writer: _put_str(writer, value, function, write), has_state=True)
    return Summary(write, has_state=True)


def _put_str(
    writer: TextWriter, value: object, function: object, otherwise: Callable[[TextWriter], None]
) -> None:
    """Writes a model in Django's style, with the result of __str__, if the __str__ is plain."""
    try:
        text = writer.follow(function, value)
    except NotPlain:
        return otherwise(writer)
    return writer.put(f"<{name_of(type(value))}: {text}>")


def _with_fields(value: object, fields: dict[str, Any]) -> Callable[[TextWriter], None]:
    name = qualname_of(type(value))
    return lambda writer: writer.fields(name, fields.items())


def _loaded_fields(value: object) -> dict[str, Any]:
    return state_of(value, _MOST_FIELDS)


def mapped_of(mro: tuple[type, ...]) -> Summarise | None:
    """The summary of a class mapped by SQLAlchemy: the class's namespace has a manager."""
    manager = loaded("sqlalchemy.orm.instrumentation", "ClassManager")
    if manager is None:
        return None
    for cls in mro:
        found = namespace_of(cls).get("_sa_class_manager")
        classes = mro_of(type(found))
        if any(each is manager for each in classes):
            return _mapped
    return None


def _mapped(value: object) -> Summary:
    """A mapped object: loaded columns and relations, and the identity in the database."""
    fields = _loaded_fields(value)
    state = fields.pop("_sa_instance_state", None)
    key = instance_dict(state).get("key")
    facts: dict[str, Any] = {}
    if type(key) is tuple and len(key) > 1:
        identity = key[1]
        if type(identity) is tuple:
            facts["identity"] = plain(identity)
    if not fields:
        name = qualname_of(type(value))
        text = f"<{name} object, of which nothing is loaded: {facts}>"
        return Summary(text[: MOST_VALUE * 4], facts)
    write = _with_fields(value, fields)
    return Summary(write, facts, held=fields)


WEB: Final[Table] = {
    ("werkzeug.wrappers", "Request"): _wsgi_request,
    ("django.http", "HttpRequest"): _wsgi_request,
    ("starlette.requests", "HTTPConnection"): _asgi_request,
    ("django.db.models", "Model"): _django_model,
}
