"""The benchmarks' corpus and machinery: that they work, not how fast anything is."""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # benchmarks is no part of what is installed

import keeptrace
from benchmarks import _answer, _measure, corpus, growth, path, targets
from keeptrace.capture.capture import capture
from keeptrace.core.options import Options
from keeptrace.restore.policy import KNOWN
from keeptrace.restore.restore import restore

_FRAMES = {"shallow": 3, "deep": 50, "very deep": 1_000, "service": 8}


@pytest.mark.parametrize("name", corpus.CORPUS)
def test_every_exception_of_the_corpus_is_made_captured_and_restored(name):
    """An entry of the corpus fails as it is meant to, and its report restores to the same type."""
    if corpus.missing(name):
        pytest.skip(f"needs {', '.join(corpus.missing(name))}")
    exc = corpus.make(name)
    assert not isinstance(exc, AssertionError)
    report = capture(exc, Options(include_source=False))
    assert "fallback" not in report["cuts"]
    if name in _FRAMES:
        assert len(report["exceptions"][0]["traceback"]) == _FRAMES[name]
    assert type(restore(report, KNOWN)).__name__ == type(exc).__name__


def test_the_bytes_of_a_pool_are_what_the_peers_are_compared_with():
    """The functions by which our own peers are measured take an exception and give it back."""
    from benchmarks import peers

    exc = corpus.make("shallow")
    for peer in peers._ours():
        assert type(peer.restore(peer.dump(exc))) is type(exc)


def test_the_target_on_size_leaves_out_what_every_dump_has():
    """The body of a dump is less than the dump, and grows with the exception."""
    from benchmarks import compare

    shallow, wide = (corpus.make(name) for name in ("shallow", "wide"))
    assert 0 < compare.size_of_body(shallow) < len(keeptrace.dumps(shallow, include_source=False))
    assert compare.size_of_body(shallow) < compare.size_of_body(wide)


def test_alternating_marks_what_fails_and_what_does_not_end():
    """A work that raises or hangs is shown as such, and the others are measured all the same."""

    def hang() -> None:
        while True:
            pass

    runs = _measure.alternate(
        {"good": lambda: None, "bad": lambda: 1 / 0, "endless": hang}, 0.01, patience=0.2
    )
    assert isinstance(runs["good"], list) and len(runs["good"]) >= 3
    assert runs["bad"] == _measure.Failed("ZeroDivisionError")
    assert isinstance(runs["endless"], _measure.Failed) and runs["endless"].why.startswith("over")
    assert _measure.ratio(runs["good"], runs["bad"]) is None


@pytest.mark.parametrize(
    ("runs", "text"),
    [
        ([37e-6] * 3, "37.0 µs"),
        ([0.0012] * 8, "1.20 ms (1.00–1.00)"),
        (_measure.Failed("TypeError"), "fails: TypeError"),
        (_measure.Failed("over 2 s"), "over 2 s"),
    ],
)
def test_a_run_reads_as_its_median(runs, text):
    """Few runs show their median; more show the quartiles too; failures show why."""
    assert _measure.shown(runs) == text


@pytest.mark.parametrize("make", [path._tasks, path._results])
def test_each_piece_of_a_task_s_way_is_measured(make):
    """The pieces of the executor that the benchmark calls by themselves take what the benchmark
    passes.
    """
    for timed in make(multiprocessing.get_context()).values():
        assert timed.call() >= 0


def test_the_targets_are_judged_by_what_was_measured():
    """Without a measurement no target counts as met; with one, it says by how much."""
    empty = targets.table({})
    assert all(row[2] == "not measured in this run" and row[3] == "" for row in empty.rows)
    answers = {"depth": _answer.Answer("depth", "", numbers={"wide/pickle/floor ratio": 1.5})}
    judged = {row[0]: row for row in targets.table(answers).rows}
    assert judged["wide, depth -1, `pickler=pickle`"][2:] == ["1.50×", "met"]


def test_an_answer_survives_json_and_shows_its_tables():
    """What a question's process writes is what the report shows."""
    table = _answer.Table("Title", ["a", "b"], [["1", "x|y"]])
    answer = _answer.Answer(
        "name", "Why?", tables=[table], numbers={"frames/100": 1.0, "frames/1000": 10.0}
    )
    again = _answer.Answer.from_json(answer.to_json())
    assert again == answer
    assert "x\\|y" in again.tables[0].markdown()
    assert growth.exponent(again.numbers, "frames", 100, 1_000) == pytest.approx(1.0)
