"""The command line: every command, its options and its help. Needs the extra "cli"; __main__.py
says so where it is absent.

Rules:
 1. A wrong or broken file, or a wrong option, is one sentence on stderr and exit code 2: main()
    turns every KeepTraceError and OSError into that. stdout carries only what was asked for.
 2. Only `debug --live`, `dap --live` and `run` run code that is not ours; everything else reads.
 3. Libraries and our own modules are imported in the command that needs them, so that `--help` and
    completion are quick.
"""

from __future__ import annotations

import enum
import json
import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

from ..core.errors import DumpError, KeepTraceError, missing_extra
from ..core.texts import printable, quoted, shorten

try:
    import typer
    from rich.console import Console
except ImportError:
    raise missing_extra("the keeptrace command", "typer and rich", "cli") from None

if TYPE_CHECKING:
    from ..format.reading import Dump
    from ..render.view import View
    from .logs import Repeated, Told

_DIRECTORY = "keeptrace-dumps"  # store.DEFAULT_DIRECTORY, which would import the capture
_DAY = 86_400.0  # seconds

app: typer.Typer = typer.Typer(
    name="keeptrace",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Exceptions that keep their frames: run programs, and open the dumps of what went wrong.\n\n"
    "Start with: keeptrace demo, or: keeptrace run script.py",
)


class Debugger(enum.StrEnum):
    """The names that post_mortem knows."""

    pdb = "pdb"
    ipdb = "ipdb"
    pudb = "pudb"
    ipython = "ipython"


File = Annotated[
    str, typer.Argument(metavar="FILE", help="A dump, plain or gzipped; - reads standard input.")
]
Directory = Annotated[
    str, typer.Argument(metavar="DIR", help="A directory of dumps, or a URL that fsspec knows.")
]
Live = Annotated[
    bool,
    typer.Option(
        "--live",
        help="Let the objects in the dump come alive. This runs code that it names: only for dumps you trust.",
    ),
]
WhichDebugger = Annotated[
    Debugger | None,
    typer.Option("--debugger", help="Default: the one that PYTHONBREAKPOINT names, else pdb."),
]


def main() -> None:
    """Runs the command; see rule 1."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(
                errors="backslashreplace"
            )  # a terminal that lacks a character still gets the line
    try:
        typer.main.get_command(app)()  # app() itself would replace sys.excepthook for good
    except KeepTraceError as problem:
        _fail(str(problem))
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as problem:
        _fail(f"{problem.filename}: {problem.strerror}" if problem.filename else str(problem))


def _fail(sentence: str) -> None:
    print(f"keeptrace: {printable(sentence)}", file=sys.stderr)
    sys.exit(2)


def _read(file: str) -> Dump:
    from ..format.api import read_bytes
    from ..format.reading import decode

    if file != "-" and os.path.isdir(file):
        raise KeepTraceError(f"{file} is a directory: keeptrace ls {file} lists the dumps in it")
    data = read_bytes(sys.stdin.buffer if file == "-" else file)
    try:
        return decode(data)
    except DumpError as problem:
        told = problem.salvaged
        saved = (
            f"; its header says: {told.get('type')}: {told.get('message')} at {told.get('where')}"
            if told
            else ""
        )
        raise DumpError(f"{file}: {problem}{saved}", told) from None


def _view(file: str) -> tuple[dict[str, Any], View]:
    from ..render.model import make_view

    dump = _read(file)
    return dump.header, make_view(dump.report)


def _print_json(data: Any) -> None:
    typer.echo(json.dumps(data, indent=2))


# -- running


@app.command(context_settings={"allow_interspersed_args": False, "ignore_unknown_options": False})
def run(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="SCRIPT [ARGS]...", help="The program and its arguments, as for python."
        ),
    ],
    module: Annotated[bool, typer.Option("-m", help="Run a module, as python -m does.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Open the debugger when an exception ends the program.")
    ] = False,
    directory: Annotated[
        str, typer.Option("--dir", "-d", metavar="DIR", help="Where the dumps go.")
    ] = _DIRECTORY,
) -> None:
    """Run a program; what ends it is dumped.

    Also what ends one of its threads, pool workers or other Python processes that it starts. Its
    exit code is its own.

    \b
    Examples:
      keeptrace run script.py --its-own-option
      keeptrace run -m package.module
      keeptrace run --debug script.py
      keeptrace run --dir /var/dumps script.py
    """
    from .run import run as start

    start(["-m", *arguments] if module else arguments, directory, debug)


# -- looking at a dump


@app.command()
def show(
    file: File,
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="Every frame and variable, at length.")
    ] = False,
    frame: Annotated[
        int | None,
        typer.Option(
            "--frame", "-f", metavar="N", help="Frame #N alone, with its variables as trees."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for other programs.")] = False,
) -> None:
    """Show the traceback with source and variables.

    In colour in a terminal, as plain text in a pipe. Runs nothing that came in the dump.

    \b
    Examples:
      keeptrace show crash.keeptrace
      keeptrace show crash.keeptrace --frame 3
      keeptrace show crash.keeptrace --all | less
      keeptrace show crash.keeptrace --json | jq .exceptions[0].message
    """
    header, view = _view(file)
    if frame is not None:
        _check_frame(view, frame)
    if as_json:
        from ..render.data import to_data

        _print_json(to_data(view, header, everything=everything, frame=frame))
        return
    from ..render import terminal

    terminal.show(view, _console(), everything=everything, frame=frame)


def _check_frame(view: View, number: int) -> None:
    count = sum(1 for _ in view.frames())
    if not 1 <= number <= count:
        raise KeepTraceError(f"there is no frame {number}: the dump has {count}, numbered from 1")


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True)


@app.command()
def debug(
    file: File,
    debugger: WhichDebugger = None,
    number: Annotated[
        int,
        typer.Option(
            "--exception",
            "-e",
            metavar="N",
            help="Exception [N] of the chain, as show numbers them.",
        ),
    ] = 1,
    live: Live = False,
) -> None:
    """Open the debugger in the frames of a dump.

    In pdb of Python 3.13 and newer, `exceptions` walks the chain; everywhere, --exception opens any
    exception of it.

    \b
    Examples:
      keeptrace debug crash.keeptrace
      keeptrace debug crash.keeptrace --debugger ipdb
      keeptrace debug crash.keeptrace --exception 2
    """
    from ..debug import post_mortem
    from ..format.api import loads, read_bytes

    if file == "-":
        raise KeepTraceError(
            "debug cannot read the dump from standard input: the debugger reads its commands there"
        )
    _, view = _view(file)
    if not 1 <= number <= len(view.exceptions):
        raise KeepTraceError(
            f"there is no exception {number}: the dump has {len(view.exceptions)}, numbered from 1"
        )
    found = list(_in_report_order(loads(read_bytes(file), live=live)))
    chosen = found[number - 1] if number <= len(found) else found[0]
    if len(view.exceptions) > 1:
        for exception in view.tree(suppressed=True):
            here = "->" if exception.number == number else "  "
            print(
                f"{here} [{exception.number}] {'  ' * min(exception.depth, 12)}{exception.title.partition(chr(10))[0][:200]}"
            )
    post_mortem(chosen, debugger=debugger.value if debugger else None)


def _in_report_order(exc: BaseException) -> Iterator[BaseException]:
    """The exceptions of a chain as capture numbers them:

    breadth first, cause, context, children.
    """
    from ..capture.facts import linked_to

    waiting, seen = [exc], {id(exc)}
    for found in waiting:
        yield found
        for other in linked_to(found):
            if id(other) not in seen:
                seen.add(id(other))
                waiting.append(other)


@app.command()
def html(
    file: File,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Default: beside the dump, with .html; - is stdout.",
        ),
    ] = None,
) -> None:
    """Write the dump as one HTML file that opens anywhere.

    It holds everything it needs, asks no network, and can be mailed.

    \b
    Examples:
      keeptrace html crash.keeptrace
      keeptrace html crash.keeptrace -o report.html
    """
    from ..format.files import write
    from ..render.html import to_html

    header, view = _view(file)
    page = to_html(view, header)
    if output == "-" or (output is None and file == "-"):
        typer.echo(page)
        return
    target = output or f"{file.removesuffix('.keeptrace')}.html"
    write(target, page.encode("utf-8", "backslashreplace"))
    typer.echo(f"wrote {printable(target)} ({len(page):,} bytes)", err=True)


@app.command()
def info(
    file: File,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for other programs.")] = False,
) -> None:
    """Say what a dump holds: versions, sizes, what was cut, what was redacted.

    \b
    Examples:
      keeptrace info crash.keeptrace
    """
    from ..render.wording import cut_texts, hidden_text, time_text

    header, view = _view(file)
    facts: dict[str, Any] = {
        "exception": view.root.title,
        "where": header.get("where"),
        "written": time_text(header.get("time")),
        "python": view.python,
        "process": header.get("pid"),
        "format": header.get("keeptrace"),
        "fingerprint": header.get("fingerprint"),
        "size": f"{os.path.getsize(file):,} bytes" if file != "-" else None,
        "exceptions": view.counts["exceptions"],
        "frames": view.counts["frames"],
        "values": view.counts["values"],
        "sources": f"{view.counts['sources']} files, {view.counts['source bytes']:,} bytes compressed",
        "live objects": f"{view.counts['live bytes']:,} bytes: they come alive with --live alone"
        if view.counts["live bytes"]
        else "none",
    }
    if as_json:
        _print_json({**facts, "cut": view.cuts, "redacted": view.redacted})
        return
    told = [(name, value) for name, value in facts.items() if value not in (None, "")]
    told.append(("cut", ", ".join(cut_texts(view)) or "nothing"))
    told.append(("hidden", hidden_text(view)))
    for name, value in told:
        typer.echo(f"{name:<13} {printable(str(value).partition(chr(10))[0])}")


# -- directories


@app.command("ls")
def list_dumps(
    directory: Directory = _DIRECTORY,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for other programs.")] = False,
) -> None:
    """List a directory of dumps, the newest last.

    A table in a terminal; in a pipe one line each, with tabs: last seen, count, type, where,
    message, path.

    \b
    Examples:
      keeptrace ls
      keeptrace ls /var/dumps
    """
    from ..render.wording import time_text
    from ..store import Store

    _need_directory(directory)
    entries = Store(directory).entries()
    if as_json:
        _print_json([entry._asdict() for entry in entries])
        return
    rows = [
        (
            time_text(entry.last),
            f"{entry.count}{'+' if entry.at_least else ''}",
            printable(str(entry.type)),
            printable(str(entry.where)),
            printable(shorten(str(entry.message).partition("\n")[0], 200)),
            printable(entry.path),
        )
        for entry in entries
    ]
    console = _console()
    if not console.is_terminal:
        for row in rows:
            typer.echo("\t".join(row))
        return
    from rich.text import Text

    for when, count, kind, where, message, path in rows:
        console.print(
            Text.assemble(
                (when, "dim"),
                "  ",
                (f"{count:>4}x ", "cyan"),
                (kind, "bold red"),
                f": {message}" if message else "",
            )
        )
        console.print(
            Text.assemble("    ", (where, "green"), "  ", (os.path.basename(path), "dim"))
        )
    console.print(Text(f"{len(rows)} dumps in {printable(directory)}", "dim"))


@app.command()
def prune(
    directory: Directory = _DIRECTORY,
    max_files: Annotated[int | None, typer.Option(help="Dumps to keep; -1 for no limit.")] = None,
    max_bytes: Annotated[int | None, typer.Option(help="Bytes to keep; -1 for no limit.")] = None,
    max_age: Annotated[
        float | None, typer.Option(help="Days to keep a dump; -1 for no limit.")
    ] = None,
) -> None:
    """Remove the oldest dumps of a directory.

    Without options, what is beyond the bounds that every directory of dumps has by default.

    \b
    Examples:
      keeptrace prune
      keeptrace prune /var/dumps --max-age 7
      keeptrace prune /var/dumps --max-files 100 --max-bytes 50000000
    """
    from ..store import Store

    _need_directory(directory)
    bounds: dict[str, Any] = {"max_files": max_files, "max_bytes": max_bytes, "max_age": max_age}
    if max_age is not None and max_age > 0:
        bounds["max_age"] = max_age * _DAY
    removed = Store(
        directory, **{name: bound for name, bound in bounds.items() if bound is not None}
    ).prune()
    typer.echo(f"removed {removed} dump{'' if removed == 1 else 's'}")


def _need_directory(directory: str) -> None:
    if "://" not in directory and not os.path.isdir(directory):
        raise KeepTraceError(f"there is no directory {directory}")


# -- logs, demo, editors


@app.command()
def log(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Text logs; - reads standard input.")
    ],
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="Each traceback, also equal ones, and every frame.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="As JSON, one object a line for each traceback.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-F", help="Wait for more at the end of the last log.")
    ] = False,
    number: Annotated[
        int | None,
        typer.Option("--debug", metavar="N", help="Open the debugger in the N-th traceback."),
    ] = None,
    debugger: WhichDebugger = None,
) -> None:
    """Find the tracebacks in text logs, and show them. Equal ones are shown once, and counted.

    \b
    Examples:
      keeptrace log app.log
      keeptrace log app.log.1.gz app.log
      keeptrace log app.log --debug 3
      keeptrace log app.log --follow
      journalctl -u app -o json | keeptrace log -
    """
    if number is not None:
        _debug_log(files, number, debugger)
        return
    from . import logs as _logs

    tracebacks = _logs.read(files, follow)
    if as_json:
        _log_as_json(tracebacks, everything)
        return
    each = everything or follow
    groups = (
        (_logs.Repeated(told, told, 1) for told in tracebacks)
        if each
        else iter(_logs.counted(tracebacks))
    )
    is_found = False
    for group in groups:
        if is_found:
            _console().print()
        is_found = True
        _show_logged(group, everything)
    if not is_found:
        raise KeepTraceError(f"{', '.join(files)}: there is no traceback in it")


def _log_as_json(tracebacks: Iterable[Told], everything: bool) -> None:
    from ..render.data import to_data
    from ..render.model import make_view

    for told in tracebacks:
        place = {
            "traceback": told.number,
            "file": told.file,
            "line": told.line,
            "time": told.time,
            "before": told.before,
        }
        typer.echo(
            json.dumps({**place, **to_data(make_view(told.report), {}, everything=everything)})
        )


def _show_logged(group: Repeated, everything: bool) -> None:
    """A traceback, where its log has it, and how often."""
    from ..render.model import make_view
    from ..render.terminal import show as show_view

    console = _console()
    told = group.first
    console.print(
        f"--- traceback {told.number}: {printable(told.place)} ---", style="bold", markup=False
    )
    if group.times > 1:
        last = printable(group.last.place)
        console.print(f"{group.times} times, the last in {last}", style="dim", markup=False)
    if told.before:
        console.print(printable(shorten(told.before, 200)), style="dim", markup=False)
    show_view(make_view(told.report), console, everything=everything)


def _debug_log(files: list[str], number: int, debugger: Debugger | None) -> None:
    from ..debug import post_mortem
    from ..textlog import restored
    from . import logs as _logs

    if "-" in files:
        raise KeepTraceError(
            "--debug cannot read the log from standard input: the debugger reads its commands there"
        )
    count = 0
    for told in _logs.read(files):
        count = told.number
        if count == number:
            post_mortem(restored(told.report), debugger=debugger.value if debugger else None)
            return
    raise KeepTraceError(f"{', '.join(files)}: there is no traceback {number}; it has {count}")


@app.command()
def demo(
    directory: Annotated[
        str | None,
        typer.Option(
            "--dir",
            "-d",
            metavar="DIR",
            help="Where its dump goes. Default: a temporary directory.",
        ),
    ] = None,
) -> None:
    """Let a worker process fail, dump that, and show the dump.

    \b
    Examples:
      keeptrace demo
    """
    import tempfile

    from ..demo import ORDERS, total_of_part
    from ..format.api import dump
    from ..format.files import make_private

    with _executor(2) as pool:
        futures = [pool.submit(total_of_part, ORDERS, part, 3) for part in range(3)]
    failed = next(exc for future in futures if (exc := future.exception()) is not None)
    if directory is not None:
        make_private(directory)
    path = os.path.join(directory or tempfile.mkdtemp(prefix="keeptrace-"), "demo.keeptrace")
    dump(failed, path)
    typer.echo(
        "A task in a worker process failed. In its parent, this one, the exception has its frames and variables:\n"
    )
    from ..render import terminal

    terminal.show(_view(path)[1], _console())
    typer.echo(f"\nIt was dumped to {printable(path)}. Now try:")
    for command in ("show --frame 2", "debug", "html", "info"):
        name, _, rest = command.partition(" ")
        typer.echo(f"  keeptrace {name} {quoted(path)}{' ' + rest if rest else ''}")


def _executor(workers: int) -> Any:
    from ..concurrent.executors import KeepTraceProcessPoolExecutor

    return KeepTraceProcessPoolExecutor(max_workers=workers)


@app.command()
def dap(
    file: File,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            "-p",
            metavar="N",
            help="Serve on this port of 127.0.0.1 (0: a free one), not on stdio.",
        ),
    ] = None,
    live: Live = False,
) -> None:
    """Serve a dump to an editor, by the Debug Adapter Protocol.

    On standard input and output; with --port on a port of this machine, with the token that is
    printed (or the one in KEEPTRACE_DAP_TOKEN), which the launch configuration has to give as
    "token".

    \b
    Examples:
      keeptrace dap crash.keeptrace
      keeptrace dap crash.keeptrace --port 4711
    """
    from ..format.api import loads, read_bytes
    from . import dap as server

    if file == "-":
        raise KeepTraceError(
            "dap cannot read the dump from standard input: the editor speaks there"
        )
    header, view = _view(file)
    restored = list(_in_report_order(loads(read_bytes(file), live=True))) if live else []
    target = server.Target(view, header, restored)
    if port is None:
        server.serve_stdio(target)
    else:
        server.serve_port(target, port)
