"""Makes a report smaller, until readers accept the size of the dump.

Only captures with options far above the defaults need smaller reports. Each step keeps less of
every table. The numbers of values, exceptions and frames begin at the failure, so the nearest
values, exceptions and frames stay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..core.nodes import (
    SEQUENCES,
    TEXTS,
    Attributes,
    attributes_of,
    cut_names,
    cut_text,
    exception_of,
    extra_of,
    items_of,
    kept_text,
    kind_of,
    pairs_of,
    put_attributes,
    put_extra,
    put_refs,
    put_repr,
    put_stand_in,
    redacted,
    replace,
    repr_of,
    stand_in,
    stand_in_of,
)
from ..core.nodes import text as text_node
from ..core.report import Node, Ref, Report
from .fitting import REASON

if TYPE_CHECKING:
    from ..core.report import ExceptionRecord


class Step(NamedTuple):
    """The bounds of one step."""

    characters: int  # of a text
    elements: int  # of a container, of a frame's variables, of a list of names
    values: int
    frames: int  # of a traceback
    exceptions: int


# The first step is far above the default options, the last step far below every reader's bounds.
STEPS: Final = (
    Step(100_000, 100_000, 150_000, 10_000, 10_000),
    Step(10_000, 1_000, 30_000, 1_000, 1_000),
    Step(1_000, 100, 3_000, 100, 100),
    Step(100, 20, 300, 20, 10),
)


def shrink(report: Report, step: Step) -> None:
    """Cuts a report to the bounds of a step. Counts the cuts, and marks each cut value."""
    _Shrinking(report, step).run()


class _Shrinking:
    def __init__(self, report: Report, step: Step) -> None:
        self._report = report
        self._step = step
        self._nodes = report["values"]
        self._lost = -1  # index of the node in place of all lost values
        self._cuts = 0

    def run(self) -> None:
        report = self._report
        step = self._step
        self._drop_values()
        for node in self._nodes[: step.values]:
            self._node(node)
        for frame in report["frames"]:
            local = frame["locals"]
            if local is not None:
                frame["locals"] = self._named(local)
        report["globals"] = [self._named(table) for table in report["globals"]]
        if "process" in report:
            report["process"] = self._named(report["process"])
        records = report["exceptions"]
        self._cuts += len(records[step.exceptions :])
        del records[step.exceptions :]
        for record in records:
            self._record(record)
        cuts = report["cuts"]
        cuts[REASON] = cuts.get(REASON, 0) + self._cuts

    def _drop_values(self) -> None:
        count = len(self._nodes) - self._step.values
        if count <= 0:
            return
        self._cuts += count
        del self._nodes[self._step.values :]
        self._lost = len(self._nodes)
        types = self._report["types"]
        index = len(types)
        types.append(["builtins", "object", []])
        text = f"<a value that was not kept, beyond the {REASON}>"
        self._nodes.append(stand_in(index, text, REASON))

    def _text(self, text: str) -> str:
        most = self._step.characters
        if len(text) <= most:
            return text
        self._cuts += 1
        return f"{text[:most]}... ({len(text)} characters in all)"

    def _ref(self, ref: Ref) -> Ref:
        if type(ref) is list and self._lost >= 0 and ref[0] >= self._lost:
            return [self._lost]
        most = self._step.characters
        if type(ref) is str and len(ref) > most:
            self._cuts += 1
            node = text_node("str", len(ref), ref[:most])
            self._nodes.append(node)
            return [len(self._nodes) - 1]
        return ref

    def _refs(self, refs: list[Ref], each: int = 1) -> list[Ref]:
        most = self._step.elements * each
        self._cuts += max(len(refs) - most, 0) // each
        return [self._ref(ref) for ref in refs[:most]]

    def _named(self, table: Attributes) -> Attributes:
        names = list(table)[: self._step.elements]
        self._cuts += len(table) - len(names)
        return {name: self._ref(table[name]) for name in names}

    def _node(self, node: Node) -> None:
        shrink_node = _SHRINK.get(kind_of(node))
        if shrink_node is not None:
            shrink_node(self, node)

    def _sequence(self, node: Node) -> None:
        put_refs(node, self._refs(items_of(node)))

    def _mapping(self, node: Node) -> None:
        put_refs(node, self._refs(pairs_of(node), 2))

    def _kept_text(self, node: Node) -> None:
        most = self._step.characters
        if len(kept_text(node)) > most:
            self._cuts += 1
            cut_text(node, most)

    def _exact(self, node: Node) -> None:
        refs = [self._ref(ref) for ref in items_of(node)]
        put_refs(node, refs)

    def _live(self, node: Node) -> None:
        put_stand_in(node, self._ref(stand_in_of(node)))

    def _names(self, node: Node) -> None:
        """The names for dir() in a node of a class or module."""
        cut_names(node, self._step.elements)

    def _exception(self, node: Node) -> None:
        if exception_of(node) >= self._step.exceptions:
            replace(node, redacted(f"an exception beyond the {REASON}"))

    def _object(self, node: Node) -> None:
        told = repr_of(node)
        if told is not None:
            put_repr(node, self._text(told))
        attributes = attributes_of(node)
        if attributes:
            put_attributes(node, self._named(attributes))
        extra = extra_of(node)
        for name, each in (("items", 1), ("pairs", 2)):
            if name in extra:
                refs = self._refs(extra[name], each)
                put_extra(node, name, refs)
        if "dir" in extra:
            names = extra["dir"][: self._step.elements]
            put_extra(node, "dir", names)
        if "str" in extra:
            text = self._text(extra["str"])
            put_extra(node, "str", text)

    def _record(self, record: Any) -> None:
        for name in ("args", "notes"):
            if name in record:
                record[name] = self._ref(record[name])
        for name in ("fields", "attributes"):
            record[name] = self._named(record[name])
        for name in ("str", "text"):
            if name in record:
                record[name] = self._text(record[name])
        self._links(record)
        self._traceback(record)

    def _links(self, record: Any) -> None:
        most = self._step.exceptions
        for name in ("cause", "context"):
            linked = record[name]
            if linked is not None and linked >= most:
                record[name] = None
        if "children" in record:
            children = record["children"]
            record["children"] = [at for at in children if at < most]

    def _traceback(self, record: ExceptionRecord) -> None:
        entries = record["traceback"]
        left_out = len(entries) - self._step.frames
        if left_out > 0:
            self._cuts += left_out
            record["traceback"] = [[-1, left_out], *entries[left_out:]]
        if "outer" in record:
            record["outer"] = record["outer"][-self._step.frames :]


_SHRINK: Final[dict[str, Callable[[_Shrinking, Node], None]]] = {
    **dict.fromkeys(SEQUENCES, _Shrinking._sequence),
    **dict.fromkeys(TEXTS, _Shrinking._kept_text),
    "dict": _Shrinking._mapping,
    "exact": _Shrinking._exact,
    "live": _Shrinking._live,
    "type": _Shrinking._names,
    "module": _Shrinking._names,
    "exception": _Shrinking._exception,
    "object": _Shrinking._object,
}
