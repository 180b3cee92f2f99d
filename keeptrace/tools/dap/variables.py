"""Variables for an editor: the client asks for the parts of a value by a reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ...core.report import Ref
from ...render.budgets import DAP_PARTS, DAP_VARIABLES
from ...render.data import label
from ...render.values import ShownValues
from .protocol import Body, RequestError

# A value's line: clients show less. (characters)
_CHARACTERS: Final = 2_000

Named = list[tuple[str, ShownValues, Ref]]


class Variables:
    """The references of a client, from 1."""

    def __init__(self) -> None:
        self._parts: list[Callable[[], Named]] = []  # the variables behind each reference
        self._known: dict[tuple[int, int], int] = {}  # (id of the values, key) → reference

    def refer(self, parts: Callable[[], Named]) -> int:
        """A new reference. parts: called when the client asks for the variables."""
        self._parts.append(parts)
        return len(self._parts)

    def answer(self, arguments: Body) -> Body:
        """The answer to the request `variables`."""
        reference = arguments["variablesReference"]
        if type(reference) is not int or not 1 <= reference <= len(self._parts):
            raise RequestError(f"there are no variables {reference}")
        parts = self._parts[reference - 1]
        named = _filtered(parts(), arguments.get("filter"))
        start = arguments.get("start") or 0
        count = arguments.get("count") or len(named)
        count = min(count, DAP_VARIABLES)
        asked = named[start : start + count]
        shown = [self.variable(*each) for each in asked]
        left_out = len(named) - start - len(shown)
        if left_out > 0 and count == DAP_VARIABLES:
            text = f"{left_out} more: not shown at once"
            shown.append({"name": "...", "value": text, "variablesReference": 0})
        return {"variables": shown}

    def variable(self, name: str, values: ShownValues, ref: Ref) -> Body:
        value = values.value(ref)
        text = values.text(ref, _CHARACTERS)
        held = values.attributes(ref)
        if held:
            text += f" ({held})"
        variable: Body = {
            "name": name,
            "value": text,
            "type": value.type,
            "variablesReference": 0,
        }
        key = values.key(ref)
        if key is not None and value.children:
            known = (id(values), key)
            if known not in self._known:
                self._known[known] = self.refer(lambda: _parts_of(values, ref))
            items = [child for child in value.children if child.kind == "item"]
            variable["variablesReference"] = self._known[known]
            variable["namedVariables"] = len(value.children) - len(items)
            variable["indexedVariables"] = len(items)
        return variable


def _filtered(named: Named, kind: str | None) -> Named:
    """kind: "indexed", "named", or None for all variables."""
    if kind is None:
        return named
    wants_indexes = kind == "indexed"
    return [each for each in named if each[0].isdigit() == wants_indexes]


def _parts_of(values: ShownValues, ref: Ref) -> Named:
    parts = values.children(ref)[:DAP_PARTS]
    return [(label(values, child), values, child.ref) for child in parts]
