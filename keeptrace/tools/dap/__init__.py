"""A dump for editors: a server of the Debug Adapter Protocol (DAP), on standard input and output or
on a port.

    initialize ▶ launch or attach (with the token, on a port) ▶ "initialized"
    ▶ configurationDone ▶ "stopped"
    ▶ threads, stackTrace, scopes, variables, source, exceptionInfo, evaluate …, in any order
    ▶ disconnect

- The program in the editor is the dump: it stands where the exception was raised, and neither steps
  nor continues.
- Each exception of the chain, with causes, contexts and the children of groups, is a *thread*,
  named by its number in `keeptrace show`; so the editor's list of threads is the tree of the
  exceptions.
- Every answer is read from the report (render/model.py), and no code runs. evaluate reads names,
  attributes and subscripts of kept values. Only for a dump opened with --live, evaluate runs the
  expression in the restored frames, with a namespace for each frame, kept between evaluations.
- A port is of 127.0.0.1 alone. Every user of the machine can reach it, so the session answers only
  initialize before a client has given the token. A message that is not DAP ends the connection.

protocol.py reads and writes messages, session.py answers requests with stack.py, variables.py and
evaluating.py, serving.py opens the streams.
"""

from __future__ import annotations

from .protocol import ProtocolError, RequestError
from .serving import serve_port, serve_stdio
from .session import Session
from .target import Target

__all__ = ["ProtocolError", "RequestError", "Session", "Target", "serve_port", "serve_stdio"]
