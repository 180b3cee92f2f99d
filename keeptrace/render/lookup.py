"""Finds the kept value for an expression of names, attributes and constant subscripts.

Nothing runs: the expression is parsed, and each step follows the kept values.
"""

from __future__ import annotations

import ast

from ..core.errors import KeepTraceError
from ..core.report import Ref
from .frames import ShownFrame
from .nodes import Child
from .values import ShownValues


class LookupFailed(KeepTraceError):
    """The report lacks the value; the message names the failed step."""


class NeedsRunning(LookupFailed):
    """The expression is more than names, attributes and constant subscripts."""


def lookup(values: ShownValues, frame: ShownFrame, expression: str) -> Ref:
    """The value of an expression such as `order.lines[0]['price']`. Raises LookupFailed."""
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise NeedsRunning("this is no expression") from None
    steps: list[ast.expr] = []
    node = tree.body
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        steps.append(node)
        node = node.value
    if not isinstance(node, ast.Name):
        raise NeedsRunning("only names, attributes and subscripts are read without running code")
    ref = _named(frame, node.id)
    for step in reversed(steps):
        ref = _part(values, ref, step)
    return ref


def _named(frame: ShownFrame, name: str) -> Ref:
    for table in (frame.locals, frame.globals):
        for label, ref in table:
            if label == name:
                return ref
    raise LookupFailed(f"the frame has kept no {name}")


def _part(values: ShownValues, ref: Ref, step: ast.expr) -> Ref:
    children = values.children(ref)
    if isinstance(step, ast.Attribute):
        wanted = f".{step.attr}"
        attributes = [each for each in children if each.kind == "attribute"]
        found = [each for each in attributes if each.label == step.attr]
    else:
        key = _constant(step)
        wanted = f"[{key!r}]"
        found = [each for each in children if _has_key(values, ref, each, key)]
    if not found:
        raise LookupFailed(f"no {wanted} of this {values.value(ref).type} was kept")
    return found[0].ref


def _constant(step: ast.expr) -> object:
    if not isinstance(step, ast.Subscript):
        return None
    try:
        return ast.literal_eval(step.slice)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise NeedsRunning("a subscript must be a constant") from None


def _has_key(values: ShownValues, ref: Ref, child: Child, key: object) -> bool:
    if child.kind == "pair":
        kept = values.built(child.key)
        return type(kept) is type(key) and bool(kept == key)
    if child.kind != "item" or type(key) is not int:
        return False
    length = values.value(ref).length or 0
    if key < 0:
        key += length
    return child.label == str(key)
