"""Runs every benchmark, draws every figure and writes README.md: `python -m benchmarks`, or
`--quick` in about a minute.

Each question runs in a process of its own, so no question measures the leftovers of another. The
first run makes the environments with the peers (environment.py), which takes some minutes more.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from . import environment, targets
from ._answer import HERE, Answer

# In the order of the README.
QUESTIONS = (
    "compare",
    "pool",
    "path",
    "depth",
    "restore",
    "growth",
    "memory",
    "imports",
    "snapshots",
    "texts",
    "dask",
    "ray",
    "hold",
    "options",
    "profile",
)
_RESULTS = HERE / "results.json"
_README = HERE / "README.md"

_HOW_TO_RUN = (
    "This file is generated: `python -m benchmarks` runs everything and writes it, `python -m "
    "benchmarks --quick` takes about a minute. `python -m benchmarks pool depth` runs some "
    "questions and keeps the others' last answers; `python -m benchmarks.pool` asks one alone."
)
_HOW_TO_READ = (
    "Everything is measured on the fixed exceptions of `corpus.py`. What is compared runs in "
    "turn, in one run; a ratio is the median over the rounds. In the tables a median is followed "
    "by its quartiles as parts of it. Times are processor times of the process and all its "
    "threads, but for the pool's, which are of the clock and of a machine that others used "
    "meanwhile."
)
_HOW_TO_JUDGE = (
    "How the targets are judged: the pool by processor time, with the clock in brackets. “Within "
    "the noise” is said where a ratio is above its target by no more than two equal pools "
    "differed in that run. That difference itself varies from run to run, on a busy machine by "
    "far more than 0.02, so one run does not decide a target of 1.02, either way. The exponents "
    "that count as linear and flat are ours. The size leaves out the restorer, which is the same "
    "in every dump."
)


def _ask(python: str, question: str, quick: bool, key: str) -> Answer | None:
    """The answer to a question; None if the question failed, and printed the reason."""
    print(f"== {key}", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "answer.json"
        command = [
            python,
            "-m",
            f"benchmarks.{question}",
            "--json",
            str(file),
            *(["--quick"] if quick else []),
        ]
        done = subprocess.run(command, cwd=HERE.parent, check=False, env=environment.variables())
        if done.returncode:
            print(f"{key} failed with exit code {done.returncode}")
            return None
        return Answer.from_json(json.loads(file.read_text()))


def _known() -> dict[str, Answer]:
    return (
        {key: Answer.from_json(data) for key, data in json.loads(_RESULTS.read_text()).items()}
        if _RESULTS.exists()
        else {}
    )


def _readme(answers: dict[str, Answer]) -> str:
    parts = [
        "# Benchmarks",
        _HOW_TO_RUN,
        _HOW_TO_READ,
        targets.table(answers).markdown(),
        _HOW_TO_JUDGE,
        _why(),
        "## Machine",
        _machine(answers),
    ]
    for key, answer in answers.items():
        title = answer.question + (f" ({key})" if key not in QUESTIONS else "")
        parts += [f"## {title}", *answer.says, *(table.markdown() for table in answer.tables)]
        parts += [f"![{figure.title}](figures/{figure.name}.svg)" for figure in answer.figures]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def _why() -> str:
    """What was tried for the targets that are not met: the one part of the README that is written
    by people.
    """
    notes = HERE / "notes.md"
    return notes.read_text() if notes.exists() else ""


def _machine(answers: dict[str, Answer]) -> str:
    lines = [
        "| question | Python | system | processor | memory | load before | date | took | run |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for key, answer in answers.items():
        facts = [
            answer.machine[name]
            for name in ("Python", "system", "processor", "memory", "load before", "date")
        ]
        extent = "quick" if answer.quick else "full"
        cells = [key, *facts, f"{answer.seconds:.0f} s", extent]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _write(answers: dict[str, Answer]) -> None:
    _RESULTS.write_text(
        json.dumps({key: answer.to_json() for key, answer in answers.items()}, indent=1) + "\n"
    )
    _README.write_text(_readme(answers))


def _draw(python: str) -> None:
    """In the environment, which has matplotlib."""
    subprocess.run([python, "-m", "benchmarks", "--draw", "--here"], cwd=HERE.parent, check=False)


def main() -> None:
    given = _arguments()
    if given.draw and given.here:
        _redraw()
    elif given.draw:
        _draw(environment.main_python())
    else:
        _measure(given.questions or QUESTIONS, given.quick, given.here)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "questions", nargs="*", metavar="question", help=f"of {', '.join(QUESTIONS)}; default: all"
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer runs and fewer peers: about a minute"
    )
    parser.add_argument(
        "--here",
        action="store_true",
        help="make no environment: use this Python, with what is installed in it",
    )
    parser.add_argument(
        "--draw",
        action="store_true",
        help="measure nothing: draw the last answers and write README.md again",
    )
    given = parser.parse_args()
    unknown = set(given.questions) - set(QUESTIONS)
    if unknown:
        parser.error(
            f"there is no question {', '.join(sorted(unknown))}; there are {', '.join(QUESTIONS)}"
        )
    return given


def _redraw() -> None:
    """Draws the last answers, and writes README.md."""
    from ._plot import draw

    answers = _known()
    for answer in answers.values():
        for figure in answer.figures:
            draw(figure)
    _write(answers)


def _measure(questions: Sequence[str], quick: bool, here: bool) -> None:
    """Asks the questions, writes and prints the answers; exits with an error if a question
    fails.
    """
    python, also = sys.executable, None
    if not here:
        python, also = environment.main_python(), environment.also_python()
        environment.make_oldest()
    begin = time.monotonic()
    wanted = [(question, question, python) for question in questions]
    if also is not None and also != python and "pool" in questions:
        wanted.append((f"pool on Python {environment.ALSO}", "pool", also))
    answers = _known()
    failed: list[str] = []
    for key, question, interpreter in wanted:
        found = _ask(interpreter, question, quick, key)
        if found is None:
            failed.append(key)
        else:
            answers[key] = found
    answers = _in_order(answers)
    _write(answers)
    _draw(python)
    print(targets.table(answers).text())
    readme, results = (path.relative_to(HERE.parent) for path in (_README, _RESULTS))
    print(f"\n{time.monotonic() - begin:.0f} s; written: {readme}, {results}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def _in_order(answers: dict[str, Answer]) -> dict[str, Answer]:
    """The answers in the order of the questions."""
    order = []
    for question in QUESTIONS:
        order += [question, f"{question} on Python {environment.ALSO}"]
    return {key: answers[key] for key in order if key in answers}


if __name__ == "__main__":
    main()
