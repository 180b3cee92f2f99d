"""The commands for running processes: `snapshot` and `stacks`."""

from __future__ import annotations

from typing import Annotated

import typer

from ...core import DEFAULT_DIRECTORY
from ...core.texts import printable, quoted

Pid = Annotated[int, typer.Argument(metavar="PID", help="The number of the process.")]


def snapshot(
    pid: Pid,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE", help="Default: PID.dump; - is stdout."),
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", "-t", metavar="SECONDS", help="How long to wait.")
    ] = 30.0,
    max_seconds: Annotated[
        float | None,
        typer.Option("--max-seconds", metavar="SECONDS", help="How long its main thread may read."),
    ] = None,
) -> None:
    """Write a snapshot of a running process: the stacks of threads and asyncio's tasks, with
    variables.

    The process goes on. It must have called keeptrace.install(signal=...), or both Pythons must be
    3.14 or newer: the Python of the process and the Python of this command.

    \b
    Examples:
      keeptrace snapshot 4711
      keeptrace snapshot 4711 -o live.dump
    """
    from ...format.files import write
    from ..asking import snapshot_of

    data = snapshot_of(pid, timeout, max_seconds)
    if output == "-":
        typer.get_binary_stream("stdout").write(data)
        return
    target = output or f"{pid}.dump"
    write(target, data)
    typer.echo(f"wrote {printable(target)} ({len(data):,} bytes): keeptrace show {quoted(target)}")


def stacks(
    pid: Pid,
    directory: Annotated[
        str,
        typer.Option("--dir", "-d", metavar="DIR", help="Its dumps, if the system does not tell."),
    ] = DEFAULT_DIRECTORY,
    timeout: Annotated[
        float, typer.Option("--timeout", "-t", metavar="SECONDS", help="How long to wait.")
    ] = 5.0,
) -> None:
    """Show the stack of a running process's main thread, also while it hangs in C code.

    The process goes on. It must run below keeptrace run, or have called keeptrace.install().

    \b
    Examples:
      keeptrace stacks 4711
    """
    from ...concurrent.deaths.fault_text import traceback_text
    from ..stacks import stack_of_process

    command, stack = stack_of_process(pid, directory, timeout)
    typer.echo(f"Process {pid} ({printable(command)}), main thread (most recent call last):")
    typer.echo(traceback_text(stack))
