"""Libraries that start workers of their own, and are not put through every case: what arrives of one failing task.

tests/test_others.py runs each row by tests/others_program.py. To add one, write a function there, and a row here.
"""

from __future__ import annotations

from typing import NamedTuple


class Other(NamedTuple):
    library: str
    way: str  # what a user of it writes
    program: str  # of_NAME in tests/others_program.py
    needs: str  # a module
    locals: bool = True  # frames and chain arrive with every row
    remark: str = ""


OTHERS = [
    Other(
        "Airflow, LocalExecutor",
        "`on_failure_callback`, `dump()`",
        "airflow",
        "airflow",
        remark="in the worker, which has the exception itself; the scheduler learns the state alone",
    ),
    Other("APScheduler, processes", "`@keep_trace`", "apscheduler", "apscheduler"),
    Other(
        "APScheduler, processes",
        "`init()` in the job",
        "apscheduler_init",
        "apscheduler",
        False,
        "APScheduler clears the frames before it sends the exception; the frames say so",
    ),
    Other("Parsl, HighThroughputExecutor", "`@keep_trace`", "parsl", "parsl"),
    Other(
        "PySpark, UDFs and RDDs",
        "`keeptrace.concurrent.spark`",
        "spark",
        "pyspark",
        remark="Spark sends text: a bounded dump rides in the text",
    ),
    Other(
        "submitit",
        "`keep_in_text`, `exception_of`",
        "submitit",
        "submitit",
        remark="sends text, as Spark does",
    ),
    Other(
        "ipyparallel",
        "`keep_in_text`, `exception_of`",
        "ipyparallel",
        "ipyparallel",
        remark="sends text, as Spark does",
    ),
    Other(
        "huey",
        "`keep_in_text`, `exception_of`",
        "huey",
        "huey",
        remark="keeps text as the result of a task",
    ),
    Other(
        "huey",
        '`signal("error")`, `dump()`',
        "huey_signal",
        "huey",
        remark="in the consumer, which has the exception itself",
    ),
    Other(
        "dramatiq",
        "middleware, `dump()`",
        "dramatiq",
        "dramatiq",
        remark="in the worker, which has the exception itself; results keep type and message alone",
    ),
]


def section() -> str:
    """The part of docs/engines.md about them."""
    rows = [
        f"| {each.library} | {each.way} | yes | {'yes' if each.locals else 'no'} | yes | {each.remark} |"
        for each in OTHERS
    ]
    return "\n".join([HEAD, *rows, ""])


HEAD = """\
## Libraries with workers of their own

One task fails through each, by what is written in the second column; `tests/test_others.py` runs them. `keep_in_text` and
`exception_of` are of `keeptrace.concurrent.texts` ([pools.md](pools.md#engines-that-send-text-alone)).

| library | by | frames | locals | chain | |
|---|---|---|---|---|---|"""
