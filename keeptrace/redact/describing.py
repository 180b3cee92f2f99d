"""Values that only speak of secrets: schemas, errors of forms, counts of words, parsers' tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from ..core import nodes as schema
from ..core.report import Node, Ref
from . import looks, words
from .learning import text_of
from .numbers import bare

# Exact values that may be a secret; paths and dates are none.
EXACT_SECRETS: Final = frozenset(("UUID", "Decimal", "Fraction"))


def is_description(values: list[Node], node: Node) -> bool:
    """Whether a container describes a secret: a JSON schema, a form's field, a list of a form's
    errors.
    """
    kind = schema.kind_of(node)
    if kind == "dict":
        return _is_schema(values, node)
    if kind not in schema.SEQUENCES:
        return False
    items = schema.items_of(node)
    below = [values[index] for index in schema.indexes(items)]
    if below and len(below) == len(items):
        return all(_is_schema(values, item) for item in below)
    return _are_all(values, items, _is_told)


def _is_schema(values: list[Node], node: Node) -> bool:
    """Whether a node is a dict, and all keys belong to descriptions."""
    if schema.kind_of(node) != "dict":
        return False
    keys = schema.pairs_of(node)[::2]
    return _are_all(values, keys, _is_describing)


def _are_all(values: list[Node], refs: Sequence[Ref], question: Callable[[str], bool]) -> bool:
    """Whether there are refs, all are texts, and the answer is yes for each."""
    for ref in refs:
        text = text_of(values, ref)
        if text is None or not question(text):
            return False
    return bool(refs)


def _is_describing(name: str) -> bool:
    """Whether a key belongs to a schema, to a form's field or to an error."""
    return name.lower() in words.DESCRIBING


def _is_told(text: str) -> bool:
    """Whether a text is what a validator says of a password."""
    return looks.is_sentence(text) or looks.is_complaint(text)


def is_in_text(node: Node) -> bool:
    """Whether an object has a place in a text, as a parser's token has."""
    return not words.PLACES_IN_TEXT.isdisjoint(schema.attributes_of(node))


def is_word_table(names: list[str | None], refs: list[Ref]) -> bool:
    """Whether a mapping describes or counts words; its keys are no names then."""
    found = {bare(name) for name in names if name is not None}
    if not found.isdisjoint(words.TABLE_WORDS):
        return True
    if not found.isdisjoint(words.CODES | words.CARD_SIBLINGS):
        return False
    return len(refs) > 1 and all(type(ref) in (int, float) for ref in refs)


def _is_vector(refs: Sequence[Ref]) -> bool:
    """Whether there are refs, and all are floats, as in {"password": [0.25, 0.5]}."""
    return bool(refs) and all(type(ref) is float for ref in refs)


def has_anything(node: Node) -> bool:
    """Whether a node under a strong name may hold a secret; a type, a module, a function or an
    exception does not.
    """
    kind = schema.kind_of(node)
    if kind in ("object", "int"):
        return True
    if kind == "exact":
        return schema.name_of(node) in EXACT_SECRETS
    refs: list[Ref] = []
    if kind == "dict":
        refs = schema.values_of(node)
    elif kind in schema.SEQUENCES:
        refs = schema.items_of(node)
    if _is_vector(refs):
        return False
    return any(map(_says_something, refs))


def _says_something(ref: Ref) -> bool:
    return ref is not None and type(ref) is not bool and ref != ""
