"""Makes a report fit the bounds of a dump (core/bounds.py), so that readers accept the dump.

The options of a capture keep nearly all reports far below these bounds. If a report exceeds a
bound, this module cuts as little as possible: a stand-in with the reason replaces a value, a frame
loses variables, a traceback loses frames, a group loses exceptions. Each cut counts in the report's
`cuts` under REASON. An ordinary report costs a few sums.
"""

from __future__ import annotations

from typing import Any, Final

from ..core import bounds
from ..core.nodes import (
    drop_names,
    extra_of,
    has_names,
    items_of,
    keys_of,
    kind_of,
    length_of,
    put_extra,
    sequence,
    stand_in,
)
from ..core.report import CodeRecord, ExceptionRecord, FrameRecord, Node, Ref, Report
from ..restore.order import in_order
from .costs import Stores, children_of, key_costs, lineage, shown_in_message, stores_of, unfolded

REASON: Final = "bounds of a dump"
_NO_MESSAGE: Final = f"<the message: not kept, beyond the {REASON}>"
_VARARGS_VARKEYWORDS: Final = 0x4 | 0x8


def fit(report: Report) -> None:
    """Cuts the parts of a report beyond the bounds of a dump."""
    fitter = _Fitter(report)
    fitter.types()
    fitter.groups()
    fitter.frames()
    fitter.messages()
    fitter.keys()


class _Fitter:
    def __init__(self, report: Report) -> None:
        self._report = report
        self._nodes = report["values"]

    def _cut(self, count: int = 1) -> None:
        cuts = self._report["cuts"]
        if count:
            cuts[REASON] = cuts.get(REASON, 0) + count

    def _stand_in(self, what: str) -> Node:
        """A new value, in place of a cut part."""
        types = self._report["types"]
        plain_object: list[Any] = ["builtins", "object", []]
        if plain_object not in types:
            types.append(plain_object)
        index = types.index(plain_object)
        text = f"<{what}: not kept, beyond the {REASON}>"
        return stand_in(index, text, REASON)

    def _replace(self, index: int, what: str) -> None:
        self._nodes[index] = self._stand_in(what)
        self._cut()

    # -- types

    def types(self) -> None:
        """Bounds the lengths of names, the number of bases, and the classes with names of dir()."""
        types = self._report["types"]
        for entry in types:
            module, qualname, _ = entry
            if max(len(module), len(qualname)) > bounds.MAX_NAME:
                entry[:2] = bounds.short_name(module), bounds.short_name(qualname)
                self._cut()
        self._cut_bases()
        classes = [node for node in self._nodes if kind_of(node) == "type" and has_names(node)]
        for node in classes[bounds.MAX_CLASSES :]:
            drop_names(node)
            self._cut()

    def _cut_bases(self) -> None:
        types = self._report["types"]
        has_many_bases = any(len(entry[2]) > 1 for entry in types)
        if has_many_bases or len(types) > bounds.MAX_ANCESTORS:
            for index in lineage(types).above:
                types[index][2] = [self._builtin_above(index)]
                self._cut()

    def _builtin_above(self, index: int) -> int:
        types = self._report["types"]
        waiting = [index]
        seen = {index}
        for at in waiting:  # the list grows meanwhile
            module, _, bases = types[at]
            if module == "builtins" and not bases:
                return at
            waiting += [base for base in bases if base not in seen]
            seen.update(bases)
        types.append(["builtins", "Exception", []])
        return len(types) - 1

    # -- groups

    def groups(self) -> None:
        """Bounds the sizes of groups. A shared part counts each time: printing repeats the part."""
        records = self._report["exceptions"]
        if not any("children" in record for record in records):
            return
        most = bounds.MAX_CHILDREN - len(records)  # the first child stays, even a large group
        sizes: dict[int, int] = {}
        every = range(len(records))
        for index in in_order(every, lambda at: children_of(records, at)):
            size = 1
            kept: list[int] = []
            children = children_of(records, index)
            for child in children:
                of_child = sizes.get(child, 1)
                if kept and size + of_child > most:
                    continue
                size += of_child
                kept.append(child)
            sizes[index] = size
            left_out = len(children) - len(kept)
            if left_out:
                record = records[index]
                record["children"] = kept
                self._note(record, f"keeptrace: {left_out} exceptions of this group were not kept")
                self._cut(left_out)

    def _note(self, record: ExceptionRecord, text: str) -> None:
        notes = record.get("notes")
        known: list[Ref] = []
        if type(notes) is list:
            node = self._nodes[notes[0]]
            if kind_of(node) == "list":
                known = items_of(node)
        record["notes"] = self._added(sequence("list", [*known, text]))

    def _added(self, node: Node) -> Ref:
        """The ref of a new value."""
        self._nodes.append(node)
        return [len(self._nodes) - 1]

    # -- frames

    def frames(self) -> None:
        """Bounds the number of frames, and the number and kinds of their variables."""
        self._cut_arguments()
        tables = [frame["locals"] for frame in self._report["frames"]]
        for table in (*tables, self._report.get("process")):
            if table and len(table) > bounds.MAX_LOCALS:
                self._cut_variables(table)
        stores = stores_of(self._report)
        if stores.shapes_above:
            for index in stores.shapes_above:
                self._drop_variables(self._report["frames"][index])
            stores = stores_of(self._report)
        if stores.is_above:
            self._cut_tracebacks(stores)

    def _cut_tracebacks(self, stores: Stores) -> None:
        """Keeps the innermost frames of each traceback, within the room."""
        # A mark replaces cut frames, so each traceback keeps an entry.
        frames = bounds.MAX_ENTRIES - len(self._report["exceptions"])
        variables = bounds.MAX_STORES
        used: set[int] = set()
        for record in self._report["exceptions"]:
            entries = record["traceback"]
            kept = 0
            for index, _ in reversed(entries):
                frames -= 1
                if index >= 0:
                    variables -= stores.of_frame[index]
                else:
                    variables -= 1
                if frames < 0 or variables < 0:
                    break
                kept += 1
                used.add(index)
            left_out = len(entries) - kept
            if left_out:
                record["traceback"] = [[-1, left_out], *entries[left_out:]]
                self._cut(left_out)
            self._cut(len(record.pop("outer", ())))
        for index, frame in enumerate(self._report["frames"]):
            if index not in used:
                self._drop_variables(frame)

    def _cut_arguments(self) -> None:
        codes = self._report["codes"]
        for at, code in enumerate(codes):
            if len(code["names"]) > bounds.MAX_LOCALS:
                self._cut(len(code["names"]))
                codes[at] = _without_arguments(code)

    def _cut_variables(self, table: dict[str, Ref]) -> None:
        left_out = len(table) - bounds.MAX_LOCALS + 1
        for name in list(table)[-left_out:]:
            del table[name]
        mark = self._stand_in(f"{left_out} variables")
        table["<left out>"] = self._added(mark)
        self._cut(left_out)

    def _drop_variables(self, frame: FrameRecord) -> None:
        """Removes all variables of a frame, and the arguments of its code."""
        self._cut(len(frame["locals"] or ()))
        codes = self._report["codes"]
        code = codes[frame["code"]]
        if code["names"]:
            codes.append(_without_arguments(code))
            frame["code"] = len(codes) - 1
        if frame["locals"]:
            frame["locals"] = {}

    # -- values

    def messages(self) -> None:
        """Bounds the values shown by messages. A shared value counts each time."""
        records = self._report["exceptions"]
        roots: list[int] = []
        for record in records:
            roots += shown_in_message(record)
        sizes = unfolded(self._nodes, roots)
        total = sum([sizes[root] for root in roots])
        if total <= bounds.MAX_UNFOLDED:
            return
        left = bounds.MAX_UNFOLDED // 2  # half of the room is for the rests of cut values
        for record in records:
            for root in shown_in_message(record):
                size = sizes[root]
                if size <= left:
                    left -= size
                else:
                    self._cut_parts(root, sizes)
                    record.setdefault("str", _NO_MESSAGE)

    def _cut_parts(self, root: int, sizes: dict[int, int]) -> None:
        """Replaces the arguments that hold further values."""
        node = self._nodes[root]
        if kind_of(node) not in ("tuple", "list"):
            self._replace(root, kind_of(node))
            return
        cut = None
        items = items_of(node)
        for at, ref in enumerate(items):
            if type(ref) is list and sizes[ref[0]] > 1:
                if cut is None:
                    cut = self._added(self._stand_in("an argument"))
                items[at] = cut
                self._cut()

    def keys(self) -> None:
        """Bounds the work of hashing when a reader makes dicts and sets."""
        nodes = self._nodes
        holders = [at for at, node in enumerate(nodes) if keys_of(node)]
        if not holders:
            return
        costs = key_costs(nodes)
        for index in costs.hold_themselves:
            self._replace(index, kind_of(nodes[index]))
        left = bounds.MAX_KEYS
        for index in holders:
            cost = 0
            depth = 0
            for key in keys_of(nodes[index]):
                cost += costs.of(key)
                depth = max(depth, costs.depth.get(key, 0))
            if cost > left or depth > bounds.MAX_KEY_DEPTH:
                self._drop_keys(index)
            else:
                left -= cost

    def _drop_keys(self, index: int) -> None:
        node = self._nodes[index]
        kind = kind_of(node)
        if kind != "object":
            length = length_of(node)
            self._replace(index, f"{kind} of {length} elements")
            return
        extra_of(node).pop("pairs")
        put_extra(node, "why", REASON)
        self._cut()


def _without_arguments(code: CodeRecord) -> CodeRecord:
    """A copy of the code: captures share the record of a code."""
    bare = code.copy()
    bare["names"] = []
    bare["args"] = [0, 0, 0]
    bare["flags"] = code["flags"] & ~_VARARGS_VARKEYWORDS
    return bare
