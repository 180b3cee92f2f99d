"""Secrets marked elsewhere: in the environment, by Django's decorators, in Kubernetes' manifests,
by the first line of a private key.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from ..core import nodes as schema
from ..core.report import Node, Ref, Report
from .judging import Judge
from .looks import is_hidden_under
from .names import grade
from .spans import STRONG

# django.views.decorators.debug: the function around a view with @sensitive_variables(...), and its
# variable with the names; an empty list means all.
_WRAPPERS: Final = frozenset(("sensitive_variables_wrapper",))
_NAMES: Final = "variables"
# Set on the request by @sensitive_post_parameters(...): names, or _ALL.
_POST_MARK: Final = "sensitive_post_parameters"
_ALL: Final = "__ALL__"
# The members with the data of a Kubernetes Secret, in base64 and as text.
_SECRET_DATA: Final = ("data", "stringData")
# In the first line of a private key in PEM form.
_KEY_BEGINS: Final = "PRIVATE KEY"
# The attributes with the parameters of a request.
_POST: Final = ("_post", "POST")


def learn_environment(judge: Judge) -> None:
    """Learns the values of environment variables with secret names."""
    found: list[tuple[str, int]] = []
    for name in list(os.environ):
        name_grade = grade(name)
        if not name_grade:
            continue
        value = os.environ.get(name, "")
        is_path = value.startswith("/")
        if is_hidden_under(name_grade, value) and not is_path:
            found.append((value, STRONG))
    judge.learn(found)


def hide_marked(report: Report, judge: Judge) -> None:
    """Hides values that Django, Kubernetes' manifests and a key's first line mark as secret."""
    for index, names in _marked_frames(report, judge):
        _hide_locals(report["frames"][index]["locals"] or {}, names, judge)
    for node in list(judge.values):
        kind = schema.kind_of(node)
        if kind == "object" and _POST_MARK in schema.attributes_of(node):
            _hide_parameters(schema.attributes_of(node), judge)
        elif kind == "dict":
            _hide_manifest(schema.pairs_of(node), judge)
        elif kind in ("list", "tuple"):
            _hide_key(schema.items_of(node), judge)


def _hide_locals(local: schema.Attributes, names: list[str], judge: Judge) -> None:
    for name in list(local):
        if not names or name in names:
            judge.hide(local, name, name)


def _marked_frames(report: Report, judge: Judge) -> Iterator[tuple[int, list[str]]]:
    """The frames that follow a wrapper of Django's, and the sensitive names there; no name means
    all.
    """
    for record in report["exceptions"]:
        indexes = [index for index, _ in record["traceback"]]
        for index, following in pairwise(indexes):
            if index < 0 or following < 0:  # a number of frames that were left out
                continue
            frame = report["frames"][index]
            code = report["codes"][frame["code"]]
            if code["name"] in _WRAPPERS:
                local = frame["locals"] or {}
                yield following, _texts(judge, local.get(_NAMES))


def _hide_manifest(flat: list[Ref], judge: Judge) -> None:
    """Hides all data of a Kubernetes manifest of the kind Secret, under any key."""
    if "kind" not in flat:  # most dicts
        return
    members = {judge.text_of(flat[at - 1]): flat[at] for at in _value_places(flat)}
    if judge.text_of(members.get("kind")) != "Secret":
        return
    for member in _SECRET_DATA:
        pairs = _pairs_of(judge, members.get(member))
        for at in _value_places(pairs):
            key = judge.text_of(pairs[at - 1])
            judge.hide(pairs, at, key or member)


def _value_places(pairs: list[Ref]) -> range:
    """Where the values are among keys and values, alternating."""
    return range(1, len(pairs), 2)


def _hide_key(items: list[Ref], judge: Judge) -> None:
    """Hides the lines of a private key that is a list of lines."""
    is_within = False
    for at, ref in enumerate(items):
        text = judge.text_of(ref) or ""
        if _KEY_BEGINS in text and "-----BEGIN " in text:
            is_within = "-----END" not in text
        elif "-----END" in text:
            is_within = False
        elif is_within and text:
            judge.hide(items, at, "private key")


def _hide_parameters(request: schema.Attributes, judge: Judge) -> None:
    names = _texts(judge, request[_POST_MARK])
    hides_all = _ALL in names
    for attribute in _POST:
        pairs = _pairs_of(judge, request.get(attribute))
        for at in _value_places(pairs):
            name = judge.text_of(pairs[at - 1])
            if name is not None and (hides_all or name in names):
                judge.hide(pairs, at, name)


def _pairs_of(judge: Judge, ref: Ref) -> list[Ref]:
    """The keys and values of a dict, or of an object that is a dict."""
    node = _node_of(judge, ref)
    if node is None:
        return []
    return schema.pairs_of(node)


def _node_of(judge: Judge, ref: Ref) -> Node | None:
    if type(ref) is list:
        return judge.values[ref[0]]
    return None


def _texts(judge: Judge, ref: Ref) -> list[str]:
    """The texts of a list, or the text itself."""
    text = judge.text_of(ref)
    if text is not None:
        return [text]
    node = _node_of(judge, ref)
    if node is None or schema.kind_of(node) not in ("tuple", "list"):
        return []
    texts = map(judge.text_of, schema.items_of(node))
    return [text for text in texts if text is not None]
