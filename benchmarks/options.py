"""What does a task that succeeds pay for each option of a pool, and what does a worker's death cost
where pools heal?

Each option's pool runs the same batches as the same pool without it, and as a second one without
it, the control (pool.py says how).
"""

from __future__ import annotations

import os
import signal
import sys
import time
import warnings
from collections.abc import Callable
from multiprocessing import get_context
from typing import Any

from keeptrace import Options
from keeptrace.concurrent import KeepTraceProcessPoolExecutor

from ._answer import Answer, Table, main
from ._measure import duration, spread
from .pool import CONTROL, OURS, _methods, _submit, against_plain, no_op, rounds

OPTIONS: dict[str, dict[str, Any]] = {
    "hold=True": {"hold": True},
    'on_death="replace"': {"on_death": "replace"},
    "memory_mark=0.9": {"trace": Options(memory_mark=0.9)},
    "depth=-1": {"trace": Options(depth=-1)},
    "outer_frames=True": {"trace": Options(outer_frames=True)},
}
_TASKS = 100  # a round


def _succeeding(answer: Answer, seconds: float) -> None:
    columns = ["option", "without", "with", "ratio", "control"]
    table = Table(
        "A task that succeeds, submit(), with each option on",
        [*columns, "ratio, processor", "control, processor", "rounds"],
    )
    context = get_context(_methods()[0])
    for option, arguments in OPTIONS.items():
        pools = {
            "plain": KeepTraceProcessPoolExecutor(1, context),
            OURS: KeepTraceProcessPoolExecutor(1, context, **arguments),
            CONTROL: KeepTraceProcessPoolExecutor(1, context),
        }
        runs = rounds(pools, _submit, _TASKS, seconds)
        for pool in pools.values():
            pool.shutdown()
        row = [option, *(duration(spread(runs.clock[name]).median) for name in ("plain", OURS))]
        for way, times in (("clock", runs.clock), ("processor", runs.processor)):
            found = against_plain(times)
            row += [f"{found[name].median:.3f}" for name in (OURS, CONTROL)]
            answer.numbers[f"{option}/{way}"] = found[OURS].median
            answer.numbers[f"{option}/{way}/control"] = found[CONTROL].median
        table.rows.append([*row, str(len(runs.clock[OURS]))])
    answer.tables.append(table)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _timed(what: Callable[[], object]) -> float:
    begin = time.perf_counter()
    what()
    return time.perf_counter() - begin


def _deaths(make: Callable[[], Any], heals: bool, times: int) -> tuple[list[float], list[float]]:
    """Seconds until the error of a task whose worker was killed arrives, and then until another
    task is answered.
    """
    errors, answers = [], []
    pool = make()
    pool.submit(no_op, 1).result()
    for _ in range(times):
        errors.append(_timed(pool.submit(_die).exception))
        begin = time.perf_counter()
        if not heals:
            pool.shutdown()
            pool = make()
        pool.submit(no_op, 1).result()
        answers.append(time.perf_counter() - begin)
    pool.shutdown()
    return errors, answers


def _healing(answer: Answer, times: int) -> None:
    table = Table(
        "A worker is killed within its task, one worker",
        ["pool", "start", "until its task has its error", "until the next task is answered"],
    )
    ways = {
        'on_death="replace"': ("replace", True),
        "made anew after the break": ("break", False),
    }
    for method in _methods():
        context = get_context(method)
        for label, (on_death, heals) in ways.items():

            def make(context: Any = context, on_death: Any = on_death) -> Any:
                return KeepTraceProcessPoolExecutor(1, context, on_death=on_death)

            row = [label, method]
            for what, found in zip(("error", "next"), _deaths(make, heals, times)):
                runs = spread(found)
                row.append(
                    f"{duration(runs.median)} ({duration(runs.low)} – {duration(runs.high)})"
                )
                answer.numbers[f"death/{on_death}/{method}/{what}"] = runs.median
            table.rows.append(row)
    answer.tables.append(table)


def run(quick: bool) -> Answer:
    answer = Answer("options", "What do a pool's options cost?")
    if os.name != "posix":
        answer.says.append("Not measured: these options need a POSIX system.")
        return answer
    warnings.simplefilter("ignore", DeprecationWarning)
    answer.says.append(
        "Medians a task, over rounds in which a KeepTraceProcessPoolExecutor without the option, "
        "one with it, and a second one without (the control) ran the same batch in turn; one "
        "worker. By the clock first, then by the processor time of parent and worker. The "
        'executor with `on_death="replace"` gives a worker its next task when it has answered '
        "the last one, and has no thread that feeds a queue: by the clock it is another engine."
    )
    _succeeding(answer, 2 if quick else 20)
    answer.says.append(
        "By the clock, medians with their quartiles: how long the error of a task whose worker "
        "was killed takes to arrive, and how long the next task then takes, in a pool that heals "
        "and in one that is made anew."
    )
    _healing(answer, 5 if quick else 30)
    return answer


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    main(run)
