"""The commands `dap` and `mcp`: dumps for an editor, and for an assistant."""

from __future__ import annotations

from typing import Annotated

import typer

from ...core import DEFAULT_DIRECTORY
from ...core.errors import KeepTraceError
from ..choosing import chosen_dump
from .common import Directory, File, Live, read_view


def dap(
    file: File = None,
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

    On standard input and output, or with --port on a port of this machine. On a port, the launch
    configuration must give the printed token, or the token in KEEPTRACE_DAP_TOKEN, as "token".

    \b
    Examples:
      keeptrace dap crash.keeptrace
      keeptrace dap crash.keeptrace --port 4711
    """
    from ...capture.facts import chain_of
    from ...format.api import loads, read_bytes
    from .. import dap as server

    if file == "-":
        raise KeepTraceError(
            "dap cannot read the dump from standard input: the editor speaks there"
        )
    file = chosen_dump(file)
    header, view = read_view(file)
    restored: list[BaseException] = []
    if live:
        restored += chain_of(loads(read_bytes(file), live=True))
    target = server.Target(view, header, restored)
    if port is None:
        server.serve_stdio(target)
    else:
        server.serve_port(target, port)


def mcp(directory: Directory = DEFAULT_DIRECTORY) -> None:
    """Serve a directory of dumps to an assistant, by the Model Context Protocol.

    On standard input and output. Tools list, show, compare and search dumps and logs of the
    directory, each within a budget of characters. The tools read below the directory alone, write
    nothing, and run nothing. Needs the extra "mcp".

    \b
    Examples:
      keeptrace mcp
      keeptrace mcp /var/dumps
    """
    from ..mcp.server import serve

    serve(directory)
