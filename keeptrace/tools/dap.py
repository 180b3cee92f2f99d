"""A dump for editors: a server of the Debug Adapter Protocol (DAP), on standard input and output or
on a port.

    initialize ▶ launch or attach (with the token, on a port) ▶ "initialized" ▶ configurationDone ▶ "stopped"
    ▶ threads, stackTrace, scopes, variables, source, exceptionInfo, evaluate …, in any order ▶ disconnect

- The program in the editor is the dump: it stands still where the exception was raised, and does
  not step or go on.
- Each exception of the chain, with causes, contexts and the children of groups, is a *thread* of
  its own, numbered as in `keeptrace show`; so the editor's list of threads is the tree of the
  exceptions.
- All is read from the report (render/model.py), and nothing runs. Only evaluate does, and only in a
  dump that was opened with
  --live: then in the restored frames, in one namespace a frame, which is kept between evaluations.
- A port is of 127.0.0.1 alone, and nothing but initialize is answered before the token was given:
  every user of the machine can reach the port. A message that is not DAP ends the connection.
"""

from __future__ import annotations

import contextlib
import hmac
import io
import json
import os
import secrets
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final

from ..core.errors import KeepTraceError
from ..core.report import Ref
from ..core.texts import one_line, shorten
from ..render.budgets import DAP_PARTS, DAP_VARIABLES
from ..render.data import label
from ..render.model import make_view
from ..render.sources import characters
from ..render.values import ShownValues
from ..render.view import ShownException, ShownFrame, View
from ..render.wording import relation_text

# Larger than any request that a client sends; a bound against nonsense. (bytes)
_MAX_MESSAGE: Final = 4 << 20
_MAX_HEADER: Final = 1_000  # bytes of a header line
_MAX_HEADERS: Final = 10
# Characters of a value's line: clients cut it to what they show.
_CHARACTERS: Final = 2_000
# Exceptions inside one another, in the answer to exceptionInfo.
_INNER: Final = 10
# How long a connection may take to give its token. (seconds)
_PATIENCE: Final = 60.0
_CONNECTIONS: Final = 8

Body = dict[str, Any]


class Target:
    """What is served. restored: the exceptions in the order of the report, where evaluate may run;

    else empty.
    """

    def __init__(
        self, view: View, header: dict[str, Any], restored: list[BaseException] | None = None
    ) -> None:
        self.view = view
        self.header = header
        self.frames: dict[int, ShownFrame] = {frame.number: frame for frame in view.frames()}
        self.live: dict[int, Any] = {}
        for exception, exc in zip(view.exceptions, restored or ()):
            entry = exc.__traceback__
            for frame in exception.frames:
                if entry is None:
                    break
                self.live[frame.number] = entry.tb_frame
                entry = entry.tb_next
        self.is_live: bool = restored is not None and bool(restored)


class ProtocolError(Exception):
    """What came is not the Debug Adapter Protocol."""


class RequestError(Exception):
    """A request that cannot be answered, and why: the client shows it."""


def read_message(stream: BinaryIO) -> dict[str, Any] | None:
    """The next message; None at the end of the stream. Raises ProtocolError."""
    length = None
    for _ in range(_MAX_HEADERS):
        line = stream.readline(_MAX_HEADER)
        if not line and length is None:
            return None
        name, colon, value = line.strip().partition(b":")
        if not name:
            break
        if name.lower() == b"content-length" and value.strip().isdigit():
            length = int(value)
        elif name.lower() != b"content-type" or not colon:  # a browser's request, say
            raise ProtocolError("this is not the Debug Adapter Protocol")
    if length is None or length > _MAX_MESSAGE:
        raise ProtocolError("a message without a length, or larger than any request is")
    data = stream.read(length)
    if len(data) < length:
        return None
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        raise ProtocolError("a message that is not JSON") from None
    if not isinstance(message, dict):
        raise ProtocolError("a message that is no object")
    return message


def write_message(stream: BinaryIO, message: dict[str, Any]) -> None:
    """Writes one message. Raises OSError if the client is gone."""
    data = json.dumps(message).encode()
    stream.write(b"Content-Length: %d\r\n\r\n%b" % (len(data), data))
    stream.flush()


class Session:
    """One client's conversation. token: what it has to give; None where it need not.

    trusted() is called when it has.
    """

    def __init__(
        self, target: Target, token: str | None, trusted: Callable[[], None] = lambda: None
    ) -> None:
        self._target = target
        self._view = target.view
        self._token = token
        self._is_trusted = token is None
        self._trusted = trusted
        self._sequence = 0
        self._first_line = self._first_column = 1
        self._parts: list[
            Callable[[], list[tuple[str, ShownValues, Ref]]]
        ] = []  # what each variablesReference holds, from 1
        self._known: dict[tuple[int, int], int] = {}
        self._sources: list[str] = []  # the file of each sourceReference, from 1
        self._same: dict[str, bool] = {}  # whether the file of this machine reads as in the dump
        self._namespaces: dict[int, dict[str, Any]] = {}
        self._evaluated: list[View] = []
        self._after: list[Body] = []  # events that follow the response
        self._ends = False

    def run(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        """Answers until the client disconnects. Raises ProtocolError, and OSError if it is gone."""
        while not self._ends:
            message = read_message(incoming)
            if message is None:
                return
            if message.get("type") == "request":
                for answer in self._answers(message):
                    self._sequence += 1
                    write_message(outgoing, {"seq": self._sequence, **answer})

    def _answers(self, request: dict[str, Any]) -> Iterator[Body]:
        command = request.get("command")
        arguments = request.get("arguments") or {}
        response: Body = {
            "type": "response",
            "request_seq": request.get("seq", 0),
            "command": command,
            "success": True,
        }
        try:
            handler = _REQUESTS.get(command) if isinstance(command, str) else None
            if handler is None:
                raise RequestError(f"{command}: a dump has no such request")
            if not self._is_trusted and command not in (
                "initialize",
                "launch",
                "attach",
                "disconnect",
            ):
                raise RequestError("give the token first, with launch or attach")
            response["body"] = handler(self, arguments)
        except RequestError as problem:
            response.update(
                success=False,
                message=str(problem),
                body={"error": {"id": 1, "format": str(problem), "showUser": True}},
            )
        except (
            TypeError,
            ValueError,
            KeyError,
            IndexError,
            AttributeError,
        ) as problem:  # its arguments are not what the protocol says
            response.update(
                success=False,
                message=f"{command}: wrong arguments ({type(problem).__name__}: {problem})",
            )
        yield response
        yield from self._after
        self._after = []

    def _event(self, name: str, **body: Any) -> None:
        self._after.append({"type": "event", "event": name, "body": body})

    # -- beginning and end

    def _initialize(self, arguments: Body) -> Body:
        self._first_line = 1 if arguments.get("linesStartAt1", True) else 0
        self._first_column = 1 if arguments.get("columnsStartAt1", True) else 0
        return {
            "supportsConfigurationDoneRequest": True,
            "supportsExceptionInfoRequest": True,
            "supportsDelayedStackTraceLoading": True,
            "supportsEvaluateForHovers": self._target.is_live,
            "supportTerminateDebuggee": False,
            "exceptionBreakpointFilters": [],
        }

    def _launch(self, arguments: Body) -> None:
        given = arguments.get("token")
        if self._token is not None and not (
            isinstance(given, str) and hmac.compare_digest(given.encode(), self._token.encode())
        ):
            self._ends = True
            raise RequestError(
                'the token is wrong: give the one that keeptrace dap printed, as "token" of the launch configuration'
            )
        if not self._is_trusted:
            self._is_trusted = True
            self._trusted()
        self._event("initialized")

    def _configured(self, arguments: Body) -> None:
        root = self._view.root
        where = self._target.header.get("where") or "nowhere"
        self._event(
            "output",
            category="console",
            output=f"{root.title}\nA dump of {where}. It stands still: look around, but it does not go on.\n",
        )
        self._event(
            "stopped",
            reason="exception",
            description="Raised",
            text=shorten(root.title, 500),
            threadId=root.number,
            allThreadsStopped=True,
        )

    def _disconnect(self, arguments: Body) -> None:
        self._ends = True
        self._event("terminated")

    def _continue(self, arguments: Body) -> Body:
        self._event("terminated")
        return {"allThreadsContinued": True}

    def _stand_still(self, arguments: Body) -> Body:
        raise RequestError("a dump stands still: there is nothing to step through")

    def _no_breakpoints(self, arguments: Body) -> Body:
        wanted = arguments.get("breakpoints") or ()
        return {
            "breakpoints": [{"verified": False, "message": "a dump does not run"} for _ in wanted]
        }

    # -- where it stands

    def _threads(self, arguments: Body) -> Body:
        found = []
        for exception in self._view.tree(suppressed=True):
            relation = relation_text(self._view, exception)
            title = shorten(exception.title.partition("\n")[0], 100)
            found.append(
                {
                    "id": exception.number,
                    "name": f"[{exception.number}] {title}{f' ({relation})' if relation else ''}",
                }
            )
        return {"threads": found}

    def _exception(self, arguments: Body) -> ShownException:
        number = arguments["threadId"]
        if type(number) is not int or not 1 <= number <= len(self._view.exceptions):
            raise RequestError(f"there is no thread {number}")
        return self._view.exceptions[number - 1]

    def _stack_trace(self, arguments: Body) -> Body:
        frames = self._exception(arguments).frames[::-1]
        start = arguments.get("startFrame") or 0
        count = arguments.get("levels") or len(frames)
        return {
            "stackFrames": [self._stack_frame(frame) for frame in frames[start : start + count]],
            "totalFrames": len(frames),
        }

    def _stack_frame(self, frame: ShownFrame) -> Body:
        if frame.left_out:
            name = f"{frame.left_out} frames were not kept"
            return {
                "id": frame.number,
                "name": name,
                "line": 0,
                "column": 0,
                "presentationHint": "label",
            }
        line, end_line, column, end_column = frame.position
        lines = self._view.sources.of(frame)
        found = {
            "id": frame.number,
            "name": frame.function,
            "line": (line or 1) - 1 + self._first_line,
            "column": self._column(lines, line, column),
            "source": self._source_of(frame, lines),
        }
        if end_line and end_column is not None:
            found.update(
                endLine=end_line - 1 + self._first_line,
                endColumn=self._column(lines, end_line, end_column),
            )
        if frame.is_library:
            found["presentationHint"] = "subtle"
        return found

    def _column(self, lines: list[str] | None, line: int | None, column: int | None) -> int:
        """A column of UTF-8 bytes as the protocol counts them: in units of UTF-16."""
        if column is None:
            return self._first_column
        if lines is None or line is None or not 1 <= line <= len(lines):
            return column + self._first_column
        text = lines[line - 1]
        return (
            len(text[: characters(text, column)].encode("utf-16-le", "replace")) // 2
            + self._first_column
        )

    def _source_of(self, frame: ShownFrame, lines: list[str] | None) -> Body:
        """The editor's own file where that reads as the one that failed;

        else the text in the dump.
        """
        name = os.path.basename(frame.file.replace("\\", "/")) or frame.file
        source: Body = {"name": name, "path": frame.file}
        if not self._view.sources.has_snapshot(frame.file):
            if lines is None:
                source.update(presentationHint="deemphasize", origin="its text is not in the dump")
            return source
        found = self._view.sources.here(frame.file)
        if frame.file not in self._same:  # frames share files
            wanted = [line.rstrip() for line in lines or ()]
            same = found is not None and [line.rstrip() for line in found] == wanted
            self._same[frame.file] = same
        if not self._same[frame.file]:
            if frame.file not in self._sources:
                self._sources.append(frame.file)
            source.update(
                sourceReference=self._sources.index(frame.file) + 1, origin="from the dump"
            )
        return source

    def _source(self, arguments: Body) -> Body:
        reference = (arguments.get("source") or {}).get("sourceReference") or arguments.get(
            "sourceReference"
        )
        if type(reference) is not int or not 1 <= reference <= len(self._sources):
            raise RequestError("there is no such source in the dump")
        return {
            "content": "\n".join(self._view.sources.snapshot(self._sources[reference - 1]) or ()),
            "mimeType": "text/x-python",
        }

    # -- variables

    def _scopes(self, arguments: Body) -> Body:
        frame = self._frame(arguments)
        exception = self._view.exceptions[frame.exception]
        found = []
        for name, hint, variables in (
            ("Locals", "locals", frame.locals),
            ("Globals", "globals", frame.globals),
        ):
            if variables:
                reference = self._refer(self._named(variables))
                found.append(
                    {
                        "name": name,
                        "presentationHint": hint,
                        "variablesReference": reference,
                        "namedVariables": len(variables),
                        "expensive": False,
                    }
                )
        reference = self._refer(
            self._named(
                [
                    *exception.details,
                    *((f"note {at}", note) for at, note in enumerate(exception.notes, 1)),
                ]
            )
        )
        found.append(
            {
                "name": f"Exception {exception.type}",
                "variablesReference": reference,
                "expensive": False,
            }
        )
        return {"scopes": found}

    def _frame(self, arguments: Body) -> ShownFrame:
        frame = self._target.frames.get(arguments["frameId"])
        if frame is None:
            raise RequestError(f"there is no frame {arguments['frameId']}")
        return frame

    def _named(
        self, variables: list[tuple[str, Ref]]
    ) -> Callable[[], list[tuple[str, ShownValues, Ref]]]:
        return lambda: [(name, self._view.values, ref) for name, ref in variables]

    def _refer(self, parts: Callable[[], list[tuple[str, ShownValues, Ref]]]) -> int:
        self._parts.append(parts)
        return len(self._parts)

    def _variables(self, arguments: Body) -> Body:
        reference = arguments["variablesReference"]
        if type(reference) is not int or not 1 <= reference <= len(self._parts):
            raise RequestError(f"there are no variables {reference}")
        found = self._parts[reference - 1]()
        kind = arguments.get("filter")
        if kind is not None:
            found = [one for one in found if one[0].isdigit() == (kind == "indexed")]
        start = arguments.get("start") or 0
        count = min(arguments.get("count") or len(found), DAP_VARIABLES)
        told = [self._variable(*one) for one in found[start : start + count]]
        left_out = len(found) - start - len(told)
        if left_out > 0 and count == DAP_VARIABLES:
            text = f"{left_out} more: not shown at once"
            told.append({"name": "...", "value": text, "variablesReference": 0})
        return {"variables": told}

    def _parts_of(self, values: ShownValues, ref: Ref) -> list[tuple[str, ShownValues, Ref]]:
        parts = values.children(ref)[:DAP_PARTS]
        return [(label(values, child), values, child.ref) for child in parts]

    def _variable(self, name: str, values: ShownValues, ref: Ref) -> Body:
        value = values.value(ref)
        text = values.text(ref, _CHARACTERS)
        held = values.attributes(ref)
        found: Body = {
            "name": name,
            "value": f"{text} ({held})" if held else text,
            "type": value.type,
            "variablesReference": 0,
        }
        key = values.key(ref)
        if key is not None and value.children:
            known = (id(values), key)
            if known not in self._known:
                self._known[known] = self._refer(lambda: self._parts_of(values, ref))
            indexed = sum(1 for child in value.children if child.kind == "item")
            found.update(
                variablesReference=self._known[known],
                namedVariables=len(value.children) - indexed,
                indexedVariables=indexed,
            )
        return found

    # -- the exception

    def _exception_info(self, arguments: Body) -> Body:
        exception = self._exception(arguments)
        return {
            "exceptionId": exception.type,
            "description": "\n".join([exception.message, *exception.notes]),
            "breakMode": "unhandled",
            "details": self._details(exception, _INNER),
        }

    def _details(self, exception: ShownException, levels: int) -> Body:
        stack = exception.text or "".join(
            f'  File "{frame.file}", line {frame.line}, in {frame.name}\n'
            for frame in exception.frames
            if not frame.left_out
        )
        below = (
            [
                self._view.exceptions[other]
                for relation, other in exception.links
                if relation != "suppressed"
            ]
            if levels
            else []
        )
        return {
            "message": exception.message,
            "typeName": exception.type.rpartition(".")[2],
            "fullTypeName": exception.type,
            "stackTrace": stack,
            "innerException": [
                self._details(inner, levels - 1) for inner in below if inner.of == exception.index
            ],
        }

    # -- evaluate

    def _evaluate(self, arguments: Body) -> Body:
        if not self._target.is_live:
            raise RequestError(
                "evaluating runs code: open the dump with keeptrace dap --live, if you trust it"
            )
        number = arguments.get("frameId") or (
            self._view.root.frames[-1].number if self._view.root.frames else 0
        )
        frame = self._target.live.get(number)
        if frame is None:
            raise RequestError("there is no frame to evaluate it in")
        namespace = self._namespaces.setdefault(number, {**frame.f_globals, **frame.f_locals})
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said):
                result = _run(str(arguments["expression"]), namespace)
        except (
            BaseException
        ) as problem:  # whatever the user's own expression raises, SystemExit too, is the answer
            raise RequestError(f"{type(problem).__name__}: {problem}") from None
        finally:
            if said.getvalue():
                self._event("output", category="stdout", output=said.getvalue())
        shown = self._captured(result)
        return {"result": shown.pop("value"), **shown}

    def _captured(self, result: Any) -> Body:
        """A value that came about here, shown as those of the dump are."""
        from ..capture.capture import capture
        from ..core.options import Options

        view = make_view(capture(Exception(result), Options(include_source=False)))
        self._evaluated.append(view)  # references name its values by id
        (_, args), *_ = view.root.details
        return self._variable("", view.values, view.values.children(args)[0].ref)


def _run(text: str, namespace: dict[str, Any]) -> Any:
    """An expression's value; a statement is run and has none."""
    try:
        code = compile(text, "<evaluate>", "eval")
    except SyntaxError:
        exec(compile(text, "<evaluate>", "exec"), namespace)
        return None
    return eval(code, namespace)


_REQUESTS: Final[dict[str, Callable[[Session, Body], Body | None]]] = {
    "initialize": Session._initialize,
    "launch": Session._launch,
    "attach": Session._launch,
    "configurationDone": Session._configured,
    "disconnect": Session._disconnect,
    "terminate": Session._disconnect,
    "threads": Session._threads,
    "stackTrace": Session._stack_trace,
    "scopes": Session._scopes,
    "variables": Session._variables,
    "source": Session._source,
    "exceptionInfo": Session._exception_info,
    "evaluate": Session._evaluate,
    "continue": Session._continue,
    **dict.fromkeys(("next", "stepIn", "stepOut", "pause"), Session._stand_still),
    **dict.fromkeys(
        ("setBreakpoints", "setFunctionBreakpoints", "setExceptionBreakpoints"),
        Session._no_breakpoints,
    ),
}


# -- the ways in


def serve_stdio(target: Target) -> None:
    """One conversation on standard input and output.

    Raises KeepTraceError if what comes is not DAP.
    """
    sys.stdout.flush()
    # the messages have files of their own: evaluated code may print, read or, as exit() does, close
    # the standard ones
    with os.fdopen(os.dup(0), "rb") as incoming, os.fdopen(os.dup(1), "wb") as outgoing:
        with open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(2, 1)
        try:
            Session(target, None).run(incoming, outgoing)
        except ProtocolError as problem:
            raise KeepTraceError(
                f"{problem}: keeptrace dap is to be started by an editor"
            ) from None
        except BrokenPipeError:  # the editor has gone without a word
            return


def serve_port(target: Target, port: int) -> None:
    """Conversations on a port of 127.0.0.1 (0: any free one), one after the other or at once, until
    Ctrl-C.

    Raises KeepTraceError if the port cannot be had.
    """
    token = os.environ.get("KEEPTRACE_DAP_TOKEN") or secrets.token_urlsafe(16)
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except (OSError, OverflowError) as problem:
        raise KeepTraceError(f"port {port} of 127.0.0.1 cannot be served: {problem}") from None
    room = threading.BoundedSemaphore(_CONNECTIONS)
    with listener, contextlib.suppress(KeyboardInterrupt):
        print(
            f"keeptrace: serving on 127.0.0.1:{listener.getsockname()[1]}, token {token}",
            file=sys.stderr,
            flush=True,
        )
        while True:
            connection, _ = listener.accept()
            room.acquire()
            threading.Thread(
                target=_converse, args=(connection, target, token, room), daemon=True
            ).start()


def _converse(
    connection: socket.socket, target: Target, token: str, room: threading.BoundedSemaphore
) -> None:
    connection.settimeout(_PATIENCE)
    try:
        with (
            connection,
            connection.makefile("rb") as incoming,
            connection.makefile("wb") as outgoing,
        ):
            Session(target, token, trusted=lambda: connection.settimeout(None)).run(
                incoming, outgoing
            )
    except (ProtocolError, OSError) as problem:  # a stranger, or the client has gone
        print(
            f"keeptrace: a connection ended: {one_line(str(problem))}", file=sys.stderr, flush=True
        )
    finally:
        room.release()
