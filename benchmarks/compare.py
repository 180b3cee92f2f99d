"""Ours beside every peer: what a dump of each exception of the corpus takes, how large it is, what restoring it takes."""

from __future__ import annotations

import gc
import pickle
import zlib
from collections.abc import Callable
from typing import Any

from . import corpus, peers
from ._answer import Answer, Table, main
from ._measure import Failed, Timed, alternate, median, ratio, shown, size, times
from ._plot import Figure

# What a quick run is content with: the exceptions of the targets.
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
        self.floor = (
            zlib.compress(pickle.dumps(peers.picklable_locals(exc), 5)) if name != "big" else b""
        )  # seconds, for 150 MiB
        del exc
        gc.collect()


def _sizes(answer: Answer, name: str, row: _Row) -> None:
    """For the target on size: a dump without the sources, and without what is the same in every dump: the restorer, and its call."""
    from keeptrace.format.api import dumps
    from keeptrace.format.writing import _Boot

    exc = corpus.make(name)
    body = len(dumps(exc, include_source=False)) - len(pickle.dumps(_Boot({}, True), 4))
    answer.numbers[f"{name}/size/body"] = body
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
    all_peers, absent = peers.all_peers()
    remote, absent_too = peers.remote_peers(quick)
    names = [peer.name for peer in all_peers] + [peer.name for peer in remote]
    rows: dict[str, _Row] = {}
    for name in corpus.CORPUS:
        if (quick and name not in _QUICK) or corpus.missing(name):
            continue
        rows[name] = _Row(name, 0.05 if quick else 0.25, 2.0 if quick else 8.0, all_peers, remote)
    everyone: list[peers.Peer | peers.Remote] = [*all_peers, *remote]
    labels = {peer.name: peer.label for peer in everyone}
    keeps = {peer.name: peer.keeps for peer in everyone}
    for apart in remote:
        apart.close()
    answer.tables.append(
        Table(
            "Who takes part", ["", "what it keeps"], [[labels[name], keeps[name]] for name in names]
        )
    )
    for title, runs_of in (
        ("Dump: median (quartiles as parts of it)", _dumps_of),
        ("Restore", _restores_of),
    ):
        cells = [
            [name, *(shown(runs_of(row)[peer]) if peer in runs_of(row) else "–" for peer in names)]
            for name, row in rows.items()
        ]
        answer.tables.append(Table(title, ["exception", *(labels[name] for name in names)], cells))
    cells = [
        [name, *(size(row.sizes[peer]) if peer in row.sizes else "–" for peer in names)]
        for name, row in rows.items()
    ]
    answer.tables.append(Table("Size", ["exception", *(labels[name] for name in names)], cells))
    ours = names[0]
    cells = [[name, *(_ratio(row, ours, peer) for peer in names[1:])] for name, row in rows.items()]
    answer.tables.append(
        Table(
            f"Dump: the time of “{ours}” as a part of each other's (below 1: ours is faster)",
            ["exception", *(labels[name] for name in names[1:])],
            cells,
        )
    )
    for kind in ("dump", "restore"):
        series = {
            labels[peer]: [
                median(getattr(row, kind).get(peer, Failed(""))) for row in rows.values()
            ]
            for peer in names
        }
        ms = {
            label: [None if value is None else value * 1e3 for value in values]
            for label, values in series.items()
        }
        answer.figures.append(
            Figure(
                f"compare-{kind}",
                f"{kind.capitalize()}, milliseconds (no bar: it fails)",
                "bars",
                list(rows),
                ms,
                ylabel="ms",
            )
        )
    kb = {
        labels[peer]: [
            row.sizes[peer] / 1e3 if peer in row.sizes else None for row in rows.values()
        ]
        for peer in names
    }
    answer.figures.append(
        Figure("compare-size", "Size of a dump, kilobytes", "bars", list(rows), kb, ylabel="kB")
    )
    for name, row in rows.items():
        for peer in names:
            found = median(row.dump[peer])
            if found is not None:
                answer.numbers[f"{name}/dump/{peer}"] = found
                answer.numbers[f"{name}/size/{peer}"] = row.sizes[peer]
            against = ratio(row.dump[ours], row.dump[peer])
            if against is not None:
                answer.numbers[f"{name}/ratio/{peer}"] = against.median
        answer.numbers[f"{name}/fails"] = sum(isinstance(row.dump[peer], Failed) for peer in names)
        _sizes(answer, name, row)
    answer.numbers.update(
        {
            f"keeps data/{peer.name}": 1
            for peer in everyone
            if peer.keeps_data and peer.name != "C pickle"
        }
    )
    _kept_frames(answer)
    answer.says.append(
        "coredumpy, debuglater and keepTrace run in processes of their own, in turn with the others."
    )
    if absent or absent_too:
        answer.says.append(f"Not there, and left out: {', '.join(absent + absent_too)}.")
    return answer


def _dumps_of(row: _Row) -> dict[str, list[float] | Failed]:
    return row.dump


def _restores_of(row: _Row) -> dict[str, list[float] | Failed]:
    return row.restore


def _ratio(row: _Row, ours: str, peer: str) -> str:
    found = ratio(row.dump[ours], row.dump[peer])
    return times(None if found is None else found.median)


if __name__ == "__main__":
    main(run)
