"""A client's conversation: the table of requests, and answers about beginning, end and exception.

A failed request gets a response with the reason; the conversation goes on.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from ...core.report import Ref
from ...core.texts import shorten
from ...render.frames import Variables as ShownVariables
from ...render.lookup import LookupFailed, NeedsRunning, lookup
from ...render.view import ShownException, View
from .evaluating import Evaluator
from .protocol import Body, RequestError, read_message, write_message
from .stack import Stack, thread_id
from .target import Target
from .variables import Named, Variables

# Exceptions inside one another, in the answer to exceptionInfo. (levels)
_INNER: Final = 10
# The text of the event "stopped". (characters)
_MAX_TITLE: Final = 500
# Requests that are answered before the client has given the token.
_OPEN: Final = ("initialize", "launch", "attach", "disconnect")
# Raised by a handler if the layout of the arguments is wrong.
_WRONG_ARGUMENTS: Final = (TypeError, ValueError, KeyError, IndexError, AttributeError)


class Session:
    """Answers the requests of one client.

    token: the token that the client must give; None for no token.
    trusted: called when the client has given the token.
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
        self._after: list[Body] = []  # events that follow the response
        self._ends = False
        self._stack = Stack(target.view)
        self._variables = Variables()
        self._evaluator = Evaluator(target, self._show_output)
        self._requests: dict[str, Callable[[Body], Body | None]] = {
            "initialize": self._initialize,
            "launch": self._launch,
            "attach": self._launch,
            "configurationDone": self._configured,
            "disconnect": self._disconnect,
            "terminate": self._disconnect,
            "threads": self._stack.threads,
            "stackTrace": self._stack.trace,
            "source": self._stack.source,
            "scopes": self._scopes,
            "variables": self._variables.answer,
            "exceptionInfo": self._exception_info,
            "evaluate": self._evaluate,
            "continue": self._continue,
            **dict.fromkeys(("next", "stepIn", "stepOut", "pause"), self._stand_still),
            **dict.fromkeys(
                ("setBreakpoints", "setFunctionBreakpoints", "setExceptionBreakpoints"),
                self._no_breakpoints,
            ),
        }

    def run(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        """Answers until the client disconnects.

        Raises ProtocolError, and OSError if the client is gone.
        """
        while not self._ends:
            message = read_message(incoming)
            if message is None:
                return
            if message.get("type") == "request":
                for answer in self._answers(message):
                    self._sequence += 1
                    write_message(outgoing, {"seq": self._sequence, **answer})

    def _answers(self, request: Body) -> Iterator[Body]:
        command = request.get("command")
        response: Body = {
            "type": "response",
            "request_seq": request.get("seq", 0),
            "command": command,
            "success": True,
        }
        try:
            response["body"] = self._handled(command, request.get("arguments") or {})
        except RequestError as problem:
            response["success"] = False
            response["message"] = str(problem)
            response["body"] = {"error": {"id": 1, "format": str(problem), "showUser": True}}
        except _WRONG_ARGUMENTS as problem:
            why = f"{type(problem).__name__}: {problem}"
            response["success"] = False
            response["message"] = f"{command}: wrong arguments ({why})"
        yield response
        yield from self._after
        self._after = []

    def _handled(self, command: object, arguments: Body) -> Body | None:
        handler = None
        if isinstance(command, str):
            handler = self._requests.get(command)
        if handler is None:
            raise RequestError(f"{command}: a dump has no such request")
        if not self._is_trusted and command not in _OPEN:
            raise RequestError("give the token first, with launch or attach")
        return handler(arguments)

    def _event(self, name: str, **body: object) -> None:
        self._after.append({"type": "event", "event": name, "body": body})

    def _show_output(self, text: str) -> None:
        self._event("output", category="stdout", output=text)

    # -- beginning and end

    def _initialize(self, arguments: Body) -> Body:
        self._stack.count_from(arguments)
        return {
            "supportsConfigurationDoneRequest": True,
            "supportsExceptionInfoRequest": True,
            "supportsDelayedStackTraceLoading": True,
            "supportsEvaluateForHovers": True,
            "supportTerminateDebuggee": False,
            "exceptionBreakpointFilters": [],
        }

    def _launch(self, arguments: Body) -> None:
        if not self._is_right(arguments.get("token")):
            self._ends = True
            raise RequestError(
                "the token is wrong: give the one that keeptrace dap printed, "
                'as "token" of the launch configuration'
            )
        if not self._is_trusted:
            self._is_trusted = True
            self._trusted()
        self._event("initialized")

    def _is_right(self, given: object) -> bool:
        """Whether the client gave the right token. Compares in constant time."""
        if self._token is None:
            return True
        if not isinstance(given, str):
            return False
        return hmac.compare_digest(given.encode(), self._token.encode())

    def _configured(self, arguments: Body) -> None:
        root = self._view.root
        where = self._target.header.get("where") or "nowhere"
        still = f"A dump of {where}. It stands still: look around, but it does not go on."
        self._event("output", category="console", output=f"{root.title}\n{still}\n")
        self._event(
            "stopped",
            reason="exception",
            description="Raised",
            text=shorten(root.title, _MAX_TITLE),
            threadId=thread_id(self._view.entry),
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
        refused = {"verified": False, "message": "a dump does not run"}
        return {"breakpoints": [refused for _ in wanted]}

    # -- variables

    def _scopes(self, arguments: Body) -> Body:
        frame = self._target.frame(arguments["frameId"])
        scopes: list[Body] = []
        if frame.locals:
            scopes.append(self._counted_scope("Locals", frame.locals))
        if frame.globals:
            scopes.append(self._counted_scope("Globals", frame.globals))
        exception = self._view.exceptions[frame.exception]
        details = [*exception.details]
        for at, note in enumerate(exception.notes, 1):
            details.append((f"note {at}", note))
        scopes.append(self._scope(f"Exception {exception.type}", details))
        if self._view.process:
            scopes.append(self._scope("Process", self._view.process))
        return {"scopes": scopes}

    def _counted_scope(self, name: str, variables: ShownVariables) -> Body:
        scope = self._scope(name, variables)
        scope["presentationHint"] = name.lower()
        scope["namedVariables"] = len(variables)
        return scope

    def _scope(self, name: str, variables: ShownVariables) -> Body:
        def parts() -> Named:
            return [(label, self._view.values, ref) for label, ref in variables]

        reference = self._variables.refer(parts)
        return {"name": name, "variablesReference": reference, "expensive": False}

    def _evaluate(self, arguments: Body) -> Body:
        number = arguments.get("frameId") or _innermost(self._view)
        if self._target.is_live:
            values, ref = self._evaluator.result_of(arguments, number)
        else:
            values = self._view.values
            ref = self._read(str(arguments["expression"]), number)
        shown = self._variables.variable("", values, ref)
        return {"result": shown.pop("value"), **shown}

    def _read(self, expression: str, number: int) -> Ref:
        """The kept value that an expression names. Raises RequestError; runs no code."""
        try:
            return lookup(self._view.values, self._target.frame(number), expression)
        except NeedsRunning as problem:
            raise RequestError(
                f"{problem}: open the dump with keeptrace dap --live, if you trust it"
            ) from None
        except LookupFailed as problem:
            raise RequestError(str(problem)) from None

    # -- the exception

    def _exception_info(self, arguments: Body) -> Body:
        exception = self._stack.exception(arguments)
        return {
            "exceptionId": exception.type,
            "description": "\n".join([exception.message, *exception.notes]),
            "breakMode": "unhandled",
            "details": self._details(exception, _INNER),
        }

    def _details(self, exception: ShownException, levels: int) -> Body:
        inner = []
        if levels:
            inner = self._shown_below(exception)
        return {
            "message": exception.message,
            "typeName": exception.type.rpartition(".")[2],
            "fullTypeName": exception.type,
            "stackTrace": exception.text or _stack_text(exception),
            "innerException": [self._details(each, levels - 1) for each in inner],
        }

    def _shown_below(self, exception: ShownException) -> list[ShownException]:
        below = []
        for relation, index in exception.links:
            other = self._view.exceptions[index]
            if relation != "suppressed" and other.of == exception.index:
                below.append(other)
        return below


def _stack_text(exception: ShownException) -> str:
    """The frames as Python prints them, without source."""
    lines = []
    for frame in exception.frames:
        if not frame.left_out and not frame.is_caller:
            lines.append(f'  File "{frame.file}", line {frame.line}, in {frame.name}\n')
    return "".join(lines)


def _innermost(view: View) -> int:
    """The number of the captured exception's innermost frame; 0 if there is none."""
    frames = view.entry.frames
    if frames:
        return frames[-1].number
    return 0
