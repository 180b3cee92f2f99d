"""The targets, and what the last run says to each. Ratios are of the same run; times are of the
machine it ran on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from . import growth, imports, options
from ._answer import Answer, Table
from ._measure import duration, size, times

OURS = "keeptrace in a pool"
Answers = dict[str, Answer]
# what is measured, as text, and whether the target is met (None: it cannot be told from the noise);
# None if the run did not measure it
Verdict = tuple[str, bool | None] | None


class Target(NamedTuple):
    work: str
    target: str
    judge: Callable[[Answers], Verdict]


def _numbers(answers: Answers, name: str) -> dict[str, float]:
    return answers[name].numbers if name in answers else {}


def _pool(key: str, task: str, most: float) -> Callable[[Answers], Verdict]:
    """The task's ratio by processor time (by the clock in brackets), for each start method. key:
    pool, with an older Python its name.
    """

    def judge(answers: Answers) -> Verdict:
        numbers = _numbers(answers, key)
        known = {method: f"ProcessPoolExecutor/{method}/{task}" for method in ("fork", "spawn")}
        known = {method: path for method, path in known.items() if f"{path}/processor" in numbers}
        if not known:
            return None
        noise = max(abs(1 - numbers[f"{path}/processor/control"]) for path in known.values())
        worst = max(numbers[f"{path}/processor"] for path in known.values())
        said = ", ".join(
            f"{method} {numbers[f'{path}/processor']:.3f}× ({numbers[f'{path}/clock']:.3f}×)"
            for method, path in known.items()
        )
        return f"{said}; two equal pools differ by {noise:.3f}", _within(worst, most, noise)

    return judge


def _options(answers: Answers) -> Verdict:
    """The dearest option of a pool, by processor time, for a task that succeeds."""
    numbers = _numbers(answers, "options")
    found = {
        option: numbers[f"{option}/processor"]
        for option in options.OPTIONS
        if f"{option}/processor" in numbers
    }
    if not found:
        return None
    dearest = max(found, key=found.__getitem__)
    noise = max(abs(1 - numbers[f"{option}/processor/control"]) for option in found)
    met = _within(found[dearest], 1.02, noise)
    return f"at most {found[dearest]:.3f}× ({dearest}); two equal pools differ by {noise:.3f}", met


def _within(ratio: float, most: float, noise: float) -> bool | None:
    """None if the ratio is above by no more than the noise."""
    if ratio <= most:
        return True
    return None if ratio <= most + noise else False


def _path(answers: Answers) -> Verdict:
    numbers = _numbers(answers, "path")
    found = [(place, numbers.get(f"{place}/ratio")) for place in ("worker", "parent")]
    return _all(
        (f"{place} {times(number)}", number, number is not None and number <= 1.0)
        for place, number in found
    )


def _all(parts: Iterable[tuple[str, float | None, bool]]) -> Verdict:
    """Several measures, each with its text; all have to be met."""
    known = [(text, met) for text, number, met in parts if number is not None]
    return ("; ".join(text for text, _ in known), all(met for _, met in known)) if known else None


def _against(
    name: str, exceptions: tuple[str, ...], peer: str, most: float
) -> Callable[[Answers], Verdict]:
    def judge(answers: Answers) -> Verdict:
        numbers = _numbers(answers, "compare")
        found = [(exception, numbers.get(f"{exception}/ratio/{peer}")) for exception in exceptions]
        return _all(
            (f"{exception} {times(number)}", number, number is not None and number <= most)
            for exception, number in found
        )

    return judge


def _wide_against_all(answers: Answers) -> Verdict:
    numbers = _numbers(answers, "compare")
    keepers = [key.partition("/")[2] for key in numbers if key.startswith("keeps data/")]
    found = [(peer, numbers.get(f"wide/ratio/{peer}"), 1.0) for peer in keepers]
    found.append(("keepTrace 1.2.0", numbers.get("wide/ratio/keepTrace 1.2.0"), 1 / 20))
    return _all(
        (
            f"{times(1 / number if number else None)} faster than {peer}",
            number,
            number is not None and number <= most,
        )
        for peer, number, most in found
    )


def _at_most(
    answers: Answers, parts: list[tuple[str, str, str, float, Callable[[float], str]]]
) -> Verdict:
    found = [
        (label, _numbers(answers, name).get(key), most, show)
        for label, name, key, most, show in parts
    ]
    return _all(
        (f"{label} {show(number or 0)}".strip(), number, number is not None and number <= most)
        for label, number, most, show in found
    )


def _big(answers: Answers) -> Verdict:
    return _at_most(
        answers,
        [
            ("", "compare", f"big/dump/{OURS}", 2e-3, duration),
            ("", "compare", f"big/size/{OURS}", 64e3, size),
            ("memory", "memory", f"big/{OURS}", 1e6, size),
        ],
    )


def _service(answers: Answers) -> Verdict:
    return _at_most(
        answers,
        [
            ("default", "compare", f"service/dump/{OURS}", 5e-3, duration),
            ("", "compare", f"service/size/{OURS}", 64e3, size),
            ("depth 8", "depth", "service/none/8/seconds", 50e-3, duration),
            ("-1", "depth", "service/none/-1/seconds", 1.1, duration),
        ],
    )


def _very_deep(answers: Answers) -> Verdict:
    numbers = _numbers(answers, "compare")
    frames, took = numbers.get("very deep/frames"), numbers.get(f"very deep/dump/{OURS}")
    if frames is None or took is None:
        return None
    whole = frames == 1_000 or numbers.get("very deep/marked", 0) > 0
    return f"{frames:.0f} frames kept, {duration(took)}", whole and took <= 10e-3


def _restore(answers: Answers) -> Verdict:
    numbers = _numbers(answers, "restore")
    parts = []
    for name in ("deep", "very deep"):
        for state, most in (("cold", 60e-6), ("warm", 5e-6)):
            found = numbers.get(f"{name}/{state}")
            a_frame = None if found is None else found / numbers[f"{name}/frames"]
            parts.append(
                (
                    f"{name} {state} {duration(a_frame or 0)}",
                    a_frame,
                    a_frame is not None and a_frame <= most,
                )
            )
    return _all(parts)


def _sizes(answers: Answers) -> Verdict:
    numbers = _numbers(answers, "compare")
    parts = []
    for name in ("shallow", "deep", "very deep", "wide"):
        body, allowed = numbers.get(f"{name}/size/body"), numbers.get(f"{name}/size/allowed")
        if body is not None and allowed is not None:
            parts.append((f"{name} {size(body)} of {size(allowed)}", body, body <= allowed))
    return _all(parts)


def _growth(answers: Answers) -> Verdict:
    numbers = _numbers(answers, "growth")
    last_frames = 10_000 if "frames/default/10000" in numbers else 1_000
    parts = []
    for label, axis, first, last, most in (
        ("frames", "frames/default", 100, min(last_frames, 1_000), 1.15),
        ("objects up to the bound", "objects/default", 10, 100, 1.15),
        ("objects beyond it", "objects/default", 300, 10_000, 0.1),
        ("bytes beyond it", "bytes/default", 10**5, 10**7, 0.1),
    ):
        found = growth.exponent(numbers, axis, first, last)
        parts.append(
            (f"{label}: exponent {found or 0:.2f}", found, found is not None and found <= most)
        )
    return _all(parts)


def _import(answers: Answers) -> Verdict:
    return _at_most(answers, [("", "imports", imports.TARGET, 10e-3, duration)])


def _floor(answers: Answers) -> Verdict:
    return _at_most(answers, [("", "depth", "wide/pickle/floor ratio", 2.0, times)])


TARGETS: list[Target] = [
    Target(
        "a task that succeeds, `submit`", "≤ 1.02× stdlib", _pool("pool", "no-op, submit", 1.02)
    ),
    Target(
        "a task that succeeds, `map(chunksize=100)`",
        "≤ 1.02× stdlib",
        _pool("pool", "no-op, map(chunksize=100)", 1.02),
    ),
    Target(
        "the same with each option of a pool on, `submit`", "≤ 1.02× the pool without it", _options
    ),
    Target("what is ours on the way of a task that succeeds", "≤ 1.0× what it replaces", _path),
    Target(
        "a task that fails, exception taken in the parent",
        "≤ 0.6× stdlib",
        _pool("pool", "failing", 0.6),
    ),
    Target(
        "the same on Python 3.11", "≤ 0.9× stdlib", _pool("pool on Python 3.11", "failing", 0.9)
    ),
    Target(
        "capture to the bytes that cross a pool, default options, shallow and deep",
        "≤ 1.0× tblib with all locals",
        _against("tblib", ("shallow", "deep"), "tblib, all locals", 1.0),
    ),
    Target(
        "the same",
        "≥ 10× faster than pydumpling",
        _against("pydumpling", ("shallow", "deep"), "pydumpling", 0.1),
    ),
    Target("wide, depth -1, `pickler=pickle`", "≤ 2× C pickle.dumps of the same locals", _floor),
    Target(
        "wide, default, to the bytes that cross a pool",
        "faster than every peer that keeps the data, than keepTrace 1.2.0 by 20×",
        _wide_against_all,
    ),
    Target("big", "≤ 2 ms, ≤ 64 kB, memory ≤ 1 MB", _big),
    Target(
        "service", "≤ 5 ms and ≤ 64 kB; depth 8 ≤ 50 ms; -1 ends within its bounds (1 s)", _service
    ),
    Target("1,000-frame RecursionError", "all frames kept or the cut marked, ≤ 10 ms", _very_deep),
    Target("restore, a frame", "≤ 60 µs cold, ≤ 5 µs warm", _restore),
    Target(
        "size, default, without source, and without the restorer and its call",
        "≤ tblib's plus what the locals weigh compressed",
        _sizes,
    ),
    Target(
        "growth",
        "linear in frames (exponent ≤ 1.15), in objects up to the bound, flat beyond it (≤ 0.1)",
        _growth,
    ),
    Target("import of the executor over the stdlib's modules", "< 10 ms", _import),
]


_MET = {True: "met", False: "**not met**", None: "within the noise"}


def table(answers: Answers) -> Table:
    found = Table("Targets", ["work", "target", "measured", ""])
    for target in TARGETS:
        verdict = target.judge(answers)
        measured, met = (
            ("not measured in this run", "") if verdict is None else (verdict[0], _MET[verdict[1]])
        )
        found.rows.append([target.work, target.target, measured, met])
    return found
