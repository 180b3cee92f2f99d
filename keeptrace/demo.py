"""A task that fails in a worker process: a line of orders.csv is broken.

`keeptrace demo` shows the same failure in the terminal, with colours. The module needs no extra:

python -m keeptrace.demo              shows the worker's frames and variables, here in the parent
python -m keeptrace.demo --debug      opens the debugger in them
"""

from __future__ import annotations

import csv
import os
import sys
import traceback
from decimal import Decimal
from pathlib import Path

from .concurrent.executors import KeepTraceProcessPoolExecutor
from .debug import post_mortem

ORDERS = Path(__file__).parent / "demo_data" / "orders.csv"
_PARTS = 3


def total(order: dict[str, str]) -> Decimal:
    """The price of an order."""
    quantity = int(order["quantity"])
    return quantity * Decimal(order["price"])


def total_of_part(path: Path, part: int, parts: int) -> Decimal:
    """The task of a worker: the sum of every `parts`-th order of the file."""
    orders = list(csv.DictReader(path.read_text().splitlines()))[part::parts]
    return sum((total(order) for order in orders), Decimal())


def failed_task() -> BaseException:
    """The exception of a task that fails in a worker process, as its parent gets it."""
    with KeepTraceProcessPoolExecutor(max_workers=2) as pool:
        futures = [pool.submit(total_of_part, ORDERS, part, _PARTS) for part in range(_PARTS)]
    (failed,) = (exc for exc in (future.exception() for future in futures) if exc is not None)
    return failed


def main(arguments: list[str] | None = None) -> int:
    """Runs the demo, and returns the exit code."""
    if arguments is None:
        arguments = sys.argv[1:]
    debug = "--debug" in arguments
    exc = failed_task()
    print(f"A worker failed; this is process {os.getpid()}, its parent.\n")
    traceback.print_exception(exc, file=sys.stdout)
    for frame, _ in traceback.walk_tb(exc.__traceback__):
        print(f"\nIn {frame.f_code.co_qualname}:")
        for name, value in frame.f_locals.items():
            print(f"    {name} = {value!r:.100}")
    if not debug:
        print("\nWith --debug, and in a terminal, the debugger opens in these frames.")
    elif sys.stdin.isatty():
        post_mortem(exc)
    return 0


if __name__ == "__main__":
    sys.exit(main())
