"""Makes a report fit the bounds of a dump (core/bounds.py), so that whoever reads the dump accepts
it.

The options of a capture bound nearly all reports far below what a reader bears. What still exceeds
a bound is cut here, as little as possible: a value becomes a stand-in that says so, a frame loses
variables, a traceback loses frames, a group loses exceptions. Each cut counts in the report's
`cuts` under REASON. Ordinary reports pass with a few sums.
"""

from __future__ import annotations

from typing import Any, Final

from ..core import bounds
from ..core.nodes import has_names, keys_of, sequence, stand_in
from ..core.report import Node, Report
from ..restore.order import in_order
from .costs import children_of, key_costs, lineage, shown_in_message, stores_of, unfolded

REASON: Final = "bounds of a dump"
_VARARGS_VARKEYWORDS: Final = 0x4 | 0x8


def fit(report: Report) -> None:
    """Cuts what exceeds a bound of a dump; the report stays as it is where nothing does."""
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
        """A new value that stands for what was cut."""
        types = self._report["types"]
        if ["builtins", "object", []] not in types:
            types.append(["builtins", "object", []])
        index = types.index(["builtins", "object", []])
        return stand_in(index, f"<{what}: not kept, beyond the {REASON}>", REASON)

    def _replace(self, index: int, what: str) -> None:
        self._nodes[index] = self._stand_in(what)
        self._cut()

    # -- types

    def types(self) -> None:
        """Names of bounded length, bases of bounded number, and few classes with their names."""
        types = self._report["types"]
        for entry in types:
            if len(entry[0]) > bounds.MAX_NAME or len(entry[1]) > bounds.MAX_NAME:
                entry[:2] = map(bounds.short_name, entry[:2])
                self._cut()
        if any(len(entry[2]) > 1 for entry in types) or len(types) > bounds.MAX_ANCESTORS:
            for index in lineage(types).above:
                types[index][2] = [self._builtin_above(index)]
                self._cut()
        classes = [node for node in self._nodes if node[0] == "type" and has_names(node)]
        for node in classes[bounds.MAX_CLASSES :]:
            del node[2:]
            self._cut()

    def _builtin_above(self, index: int) -> int:
        types = self._report["types"]
        waiting, seen = [index], {index}
        for at in waiting:  # it grows meanwhile
            if types[at][0] == "builtins" and not types[at][2]:
                return at
            waiting += [base for base in types[at][2] if base not in seen]
            seen.update(types[at][2])
        types.append(["builtins", "Exception", []])
        return len(types) - 1

    # -- groups

    def groups(self) -> None:
        """A group that shares its parts counts them each time, as whoever prints it meets them."""
        records = self._report["exceptions"]
        if not any("children" in record for record in records):
            return
        most = bounds.MAX_CHILDREN - len(records)  # one child stays, whatever it has below it
        sizes: dict[int, int] = {}
        for index in in_order(range(len(records)), lambda at: children_of(records, at)):
            size = 1
            kept: list[int] = []
            for child in children_of(records, index):
                if kept and size + sizes.get(child, 1) > most:
                    continue
                size += sizes.get(child, 1)
                kept.append(child)
            sizes[index] = size
            left_out = len(children_of(records, index)) - len(kept)
            if left_out:
                records[index]["children"] = kept
                self._note(index, f"keeptrace: {left_out} exceptions of this group were not kept")
                self._cut(left_out)

    def _note(self, index: int, text: str) -> None:
        record = self._report["exceptions"][index]
        notes = record.get("notes")
        known = []
        if type(notes) is list and self._nodes[notes[0]][0] == "list":
            known = self._nodes[notes[0]][2]
        self._nodes.append(sequence("list", [*known, text]))
        record["notes"] = [len(self._nodes) - 1]

    # -- frames

    def frames(self) -> None:
        """Frames of bounded number, with variables of bounded number and kinds."""
        for frame in self._report["frames"]:
            if frame["locals"] and len(frame["locals"]) > bounds.MAX_LOCALS:
                self._cut_variables(frame)
        stores = stores_of(self._report)
        if stores.shapes_above:
            for index in stores.shapes_above:
                self._drop_variables(self._report["frames"][index])
            stores = stores_of(self._report)
        if not stores.is_above:
            return
        # a mark takes the place of the frames that are cut, so each traceback has one at least
        frames = bounds.MAX_ENTRIES - len(self._report["exceptions"])
        variables = bounds.MAX_STORES
        used: set[int] = set()
        for record in self._report["exceptions"]:
            entries = record["traceback"]
            kept = 0
            for index, _ in reversed(entries):
                frames -= 1
                variables -= stores.of_frame[index] if index >= 0 else 1
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

    def _cut_variables(self, frame: Any) -> None:
        table = frame["locals"]
        left_out = len(table) - bounds.MAX_LOCALS + 1
        for name in list(table)[-left_out:]:
            del table[name]
        self._nodes.append(self._stand_in(f"{left_out} variables"))
        table["<left out>"] = [len(self._nodes) - 1]
        self._cut(left_out)

    def _drop_variables(self, frame: Any) -> None:
        """Lets the frame be one of the kind that has no variables."""
        self._cut(len(frame["locals"] or ()))
        codes = self._report["codes"]
        code = codes[frame["code"]]
        if code["names"]:
            flags = code["flags"] & ~_VARARGS_VARKEYWORDS
            bare = code.copy()
            bare.update(names=[], args=[0, 0, 0], flags=flags)
            codes.append(bare)
            frame["code"] = len(codes) - 1
        if frame["locals"]:
            frame["locals"] = {}

    # -- values

    def messages(self) -> None:
        """What the arguments, notes and fields hold, counted each time that a message shows it."""
        records, nodes = self._report["exceptions"], self._nodes
        roots = [root for record in records for root in shown_in_message(record)]
        sizes = unfolded(nodes, roots)
        if sum([sizes[root] for root in roots]) <= bounds.MAX_UNFOLDED:
            return
        left = bounds.MAX_UNFOLDED // 2  # the other half is what remains of those that are cut
        for record in records:
            for root in shown_in_message(record):
                if sizes[root] <= left:
                    left -= sizes[root]
                else:
                    self._cut_parts(root, sizes)
                    record.setdefault("str", f"<the message: not kept, beyond the {REASON}>")

    def _cut_parts(self, root: int, sizes: dict[int, int]) -> None:
        """Replaces the parts of an argument list that hold others."""
        node = self._nodes[root]
        if node[0] not in ("tuple", "list"):
            self._replace(root, node[0])
            return
        cut = None
        for at, ref in enumerate(node[2]):
            if type(ref) is list and sizes[ref[0]] > 1:
                if cut is None:
                    self._nodes.append(self._stand_in("an argument"))
                    cut = [len(self._nodes) - 1]
                node[2][at] = cut
                self._cut()

    def keys(self) -> None:
        """What is hashed when dicts and sets are made again."""
        nodes = self._nodes
        holders = [at for at, node in enumerate(nodes) if keys_of(node)]
        if not holders:
            return
        costs = key_costs(nodes)
        for index in costs.hold_themselves:
            self._replace(index, nodes[index][0])
        left = bounds.MAX_KEYS
        for index in holders:
            keys = keys_of(nodes[index])
            cost = sum([costs.of(key) for key in keys])
            depth = max([costs.depth.get(key, 0) for key in keys], default=0)
            if cost > left or depth > bounds.MAX_KEY_DEPTH:
                self._drop_keys(index)
            else:
                left -= cost

    def _drop_keys(self, index: int) -> None:
        node = self._nodes[index]
        if node[0] != "object":
            self._replace(index, f"{node[0]} of {node[1]} elements")
            return
        extra = {name: part for name, part in node[4].items() if name != "pairs"}
        node[4] = {**extra, "why": REASON}
        self._cut()
