"""The main job, on a real file: orders.csv has one broken line, and the worker that meets it fails.

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


def total(order: dict[str, str]) -> Decimal:
    """What one order costs."""
    quantity = int(order["quantity"])
    return quantity * Decimal(order["price"])


def total_of_part(path: Path, part: int, parts: int) -> Decimal:
    """What a worker does: the sum of every `parts`-th order of the file."""
    orders = list(csv.DictReader(path.read_text().splitlines()))[part::parts]
    return sum((total(order) for order in orders), Decimal())


def main(arguments: list[str] | None = None) -> int:
    """Runs the demo; 0 if it showed what it is to show."""
    debug = "--debug" in (sys.argv[1:] if arguments is None else arguments)
    with KeepTraceProcessPoolExecutor(max_workers=2) as pool:
        futures = [pool.submit(total_of_part, ORDERS, part, 3) for part in range(3)]
    failed = [exc for future in futures if (exc := future.exception()) is not None]
    for exc in failed:
        print(f"A worker failed; this is process {os.getpid()}, its parent.\n")
        traceback.print_exception(exc, file=sys.stdout)
        entry = exc.__traceback__
        while entry is not None:
            frame = entry.tb_frame
            print(f"\nIn {frame.f_code.co_qualname}:")
            for name, value in frame.f_locals.items():
                print(f"    {name} = {value!r:.100}")
            entry = entry.tb_next
        if debug and sys.stdin.isatty():
            post_mortem(exc)
    if not debug:
        print("\nWith --debug, and in a terminal, the debugger opens in these frames.")
    return 0 if len(failed) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
