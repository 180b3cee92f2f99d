"""Evaluation in the restored frames of a dump that the user trusts."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any

from ...core.report import Ref
from ...render.model import make_view
from ...render.values import ShownValues
from ...render.view import View
from .protocol import Body, RequestError
from .target import Target


class Evaluator:
    """Runs expressions and statements; each frame has a namespace, kept between evaluations.

    show_output: gets the text that an evaluation printed.
    """

    def __init__(self, target: Target, show_output: Callable[[str], None]) -> None:
        self._target = target
        self._show_output = show_output
        self._namespaces: dict[int, dict[str, Any]] = {}
        self._views: list[View] = []  # kept alive: references name values by the id of their table

    def result_of(self, arguments: Body, number: int) -> tuple[ShownValues, Ref]:
        """The value of the expression in a frame. Errors of the expression become RequestError."""
        frame = self._target.live.get(number)
        if frame is None:
            raise RequestError("there is no frame to evaluate it in")
        namespace = self._namespaces.setdefault(number, {**frame.f_globals, **frame.f_locals})
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                result = _run(str(arguments["expression"]), namespace)
        # The user's own expression may raise anything; SystemExit, too, is the answer.
        except BaseException as problem:
            raise RequestError(f"{type(problem).__name__}: {problem}") from None
        finally:
            if printed.getvalue():
                self._show_output(printed.getvalue())
        return self._captured(result)

    def _captured(self, result: object) -> tuple[ShownValues, Ref]:
        """The new value, as a view shows the values of the dump."""
        from ...capture.capture import capture
        from ...core.options import Options

        view = make_view(capture(Exception(result), Options(include_source=False)))
        self._views.append(view)
        (_, args), *_ = view.root.details
        return view.values, view.values.children(args)[0].ref


def _run(text: str, namespace: dict[str, Any]) -> object:
    """An expression's value; a statement runs and has none."""
    try:
        code = compile(text, "<evaluate>", "eval")
    except SyntaxError:
        exec(compile(text, "<evaluate>", "exec"), namespace)
        return None
    return eval(code, namespace)
