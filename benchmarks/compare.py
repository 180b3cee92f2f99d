"""Ours beside every peer: the time of a dump, its size, and the time of restoring, for each
exception of the corpus.
"""

from __future__ import annotations

import gc
import pickle
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from . import corpus, peers
from ._answer import Answer, Table, main
from ._measure import Failed, Timed, alternate, median, ratio, shown, size, times
from ._plot import Figure

# The exceptions of a quick run, enough for the targets.
_QUICK = ("shallow", "deep", "very deep", "wide", "big", "service")


class _Row:
    """One exception: the runs of each peer."""

    def __init__(
        self,
        name: str,
        seconds: float,
        patience: float,
        all_peers: list[peers.Peer],
        remote: list[peers.Remote],
    ) -> None:
        exc = corpus.make(name)
        self.sizes: dict[str, int] = {}
        dumps: dict[str, Callable[[], Any] | Timed] = {}
        restores: dict[str, Callable[[], Any] | Timed] = {}
        for peer in all_peers:
            prepared = peer.prepare(exc)
            dumps[peer.name] = lambda peer=peer, prepared=prepared: peer.dump(prepared)
        dumps.update({peer.name: peer.work("dump", name) for peer in remote})
        self.dump = alternate(dumps, seconds, patience=patience)
        for peer in all_peers:
            if isinstance(self.dump[peer.name], Failed):
                continue
            dumped = peer.dump(peer.prepare(exc))
            self.sizes[peer.name] = peer.size(dumped)
            restores[peer.name] = lambda peer=peer, dumped=dumped: peer.restore(dumped)
        for apart in remote:
            if not isinstance(self.dump[apart.name], Failed):
                self.sizes[apart.name] = apart.size(name)
                restores[apart.name] = apart.work("restore", name)
        self.restore = alternate(restores, seconds, patience=patience)
        self.floor = b""
        if name != "big":  # compressing 150 MiB takes seconds
            self.floor = zlib.compress(pickle.dumps(peers.picklable_locals(exc), 5))
        del exc
        gc.collect()


def size_of_body(exc: BaseException) -> int:
    """Bytes of a dump without sources, and without the restorer and its call, which are the same in
    every dump.
    """
    from keeptrace.format.api import dumps
    from keeptrace.format.writing import Carrier

    call = pickle.dumps(Carrier({"live": None}, restorer=True), 4)
    return len(dumps(exc, include_source=False)) - len(call)


def _sizes(answer: Answer, name: str, row: _Row) -> None:
    answer.numbers[f"{name}/size/body"] = size_of_body(corpus.make(name))
    if "tblib, no locals" in row.sizes:
        answer.numbers[f"{name}/size/allowed"] = row.sizes["tblib, no locals"] + len(row.floor)


def _kept_frames(answer: Answer) -> None:
    from keeptrace.capture.capture import capture
    from keeptrace.core.options import Options

    report = capture(corpus.make("very deep"), Options())
    answer.numbers["very deep/frames"] = len(report["exceptions"][0]["traceback"])
    answer.numbers["very deep/marked"] = report["cuts"].get("limit", 0)


def run(quick: bool) -> Answer:
    answer = Answer("compare", "How do we compare with what else could be used?")
    local, absent = peers.all_peers()
    remote, absent_too = peers.remote_peers(quick)
    everyone: list[peers.Peer | peers.Remote] = [*local, *remote]
    labels = {peer.name: peer.label for peer in everyone}
    rows = _rows(quick, local, remote)
    for apart in remote:
        apart.close()
    answer.tables.append(_who_takes_part(everyone))
    answer.tables += _tables(rows, labels)
    answer.figures += [_times_figure(kind, rows, labels) for kind in ("dump", "restore")]
    answer.figures.append(_sizes_figure(rows, labels))
    for name, row in rows.items():
        _note(answer, name, row, list(labels))
        _sizes(answer, name, row)
    _note_who_keeps_data(answer, everyone)
    _kept_frames(answer)
    answer.says.append(
        "coredumpy, debuglater and keepTrace run in processes of their own, in turn with the "
        "others."
    )
    if absent or absent_too:
        answer.says.append(f"Not there, and left out: {', '.join(absent + absent_too)}.")
    return answer


def _who_takes_part(everyone: Sequence[peers.Peer | peers.Remote]) -> Table:
    rows = [[peer.label, peer.keeps] for peer in everyone]
    return Table("Who takes part", ["", "what it keeps"], rows)


def _note_who_keeps_data(answer: Answer, everyone: Sequence[peers.Peer | peers.Remote]) -> None:
    for peer in everyone:
        if peer.keeps_data and peer.name != "C pickle":
            answer.numbers[f"keeps data/{peer.name}"] = 1


def _rows(quick: bool, local: list[peers.Peer], remote: list[peers.Remote]) -> dict[str, _Row]:
    seconds, patience = 0.25, 8.0
    if quick:
        seconds, patience = 0.05, 2.0
    rows: dict[str, _Row] = {}
    for name in corpus.CORPUS:
        if (quick and name not in _QUICK) or corpus.missing(name):
            continue
        rows[name] = _Row(name, seconds, patience, local, remote)
    return rows


def _tables(rows: dict[str, _Row], labels: dict[str, str]) -> Iterator[Table]:
    """The times and sizes of each exception, a column for each peer; the first peer is ours."""
    ours, *others = labels
    head = ["exception", *labels.values()]
    for title, runs_of in (
        ("Dump: median (quartiles as parts of it)", _dumps_of),
        ("Restore", _restores_of),
    ):
        cells = [[name, *_cells(runs_of(row), shown, labels)] for name, row in rows.items()]
        yield Table(title, head, cells)
    cells = [[name, *_cells(row.sizes, size, labels)] for name, row in rows.items()]
    yield Table("Size", head, cells)
    yield Table(
        f"Dump: the time of “{ours}” as a part of each other's (below 1: ours is faster)",
        ["exception", *(labels[peer] for peer in others)],
        [[name, *(_ratio(row, ours, peer) for peer in others)] for name, row in rows.items()],
    )


def _cells(
    known: Mapping[str, Any], text_of: Callable[[Any], str], names: Iterable[str]
) -> list[str]:
    """A cell for each peer; a dash where nothing is known of the peer."""
    cells = []
    for name in names:
        cell = "–"
        if name in known:
            cell = text_of(known[name])
        cells.append(cell)
    return cells


def _times_figure(kind: str, rows: dict[str, _Row], labels: dict[str, str]) -> Figure:
    series = {
        label: [
            _scaled(median(getattr(row, kind).get(peer, Failed(""))), 1e3) for row in rows.values()
        ]
        for peer, label in labels.items()
    }
    title = f"{kind.capitalize()}, milliseconds (no bar: it fails)"
    return Figure(f"compare-{kind}", title, "bars", list(rows), series, ylabel="ms")


def _sizes_figure(rows: dict[str, _Row], labels: dict[str, str]) -> Figure:
    series = {
        label: [_scaled(row.sizes.get(peer), 1e-3) for row in rows.values()]
        for peer, label in labels.items()
    }
    title = "Size of a dump, kilobytes"
    return Figure("compare-size", title, "bars", list(rows), series, ylabel="kB")


def _scaled(value: float | None, scale: float) -> float | None:
    if value is None:
        return None
    return value * scale


def _note(answer: Answer, name: str, row: _Row, names: list[str]) -> None:
    """The numbers for the targets."""
    ours = names[0]
    for peer in names:
        found = median(row.dump[peer])
        if found is not None:
            answer.numbers[f"{name}/dump/{peer}"] = found
            answer.numbers[f"{name}/size/{peer}"] = row.sizes[peer]
        against = ratio(row.dump[ours], row.dump[peer])
        if against is not None:
            answer.numbers[f"{name}/ratio/{peer}"] = against.median
    answer.numbers[f"{name}/fails"] = sum(isinstance(row.dump[peer], Failed) for peer in names)


def _dumps_of(row: _Row) -> dict[str, list[float] | Failed]:
    return row.dump


def _restores_of(row: _Row) -> dict[str, list[float] | Failed]:
    return row.restore


def _ratio(row: _Row, ours: str, peer: str) -> str:
    found = ratio(row.dump[ours], row.dump[peer])
    if found is None:
        return times(None)
    return times(found.median)


if __name__ == "__main__":
    main(run)
