"""Every engine through every case: a class for each engine, so that its pools are opened once, and by one test process."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import pytest

from keeptrace import Options

from .cases import Case, Returned, double, set_traceback, traceback_of
from .engines import ENGINES, Engine, Opened


class Pools:
    """The pool of one engine and start method, for as long as it is whole."""

    def __init__(self, engine: Engine, method: str) -> None:
        self._engine = engine
        self._method = method
        self._opening: AbstractContextManager[Opened] | None = None
        self._opened: Opened | None = None

    def get(self) -> Opened:
        if self._opened is None:
            self._opening = self._engine.opening(self._method, None)
            self._opened = self._opening.__enter__()
        return self._opened

    def own(self, options: Options) -> AbstractContextManager[Opened]:
        """One that is used once."""
        if self._engine.single:
            self.close()
        return self._engine.opening(self._method, options)

    def close(self) -> None:
        opening, self._opening, self._opened = self._opening, None, None
        if opening is not None:
            opening.__exit__(None, None, None)


@pytest.fixture(scope="class")
def pools(request: pytest.FixtureRequest) -> Iterator[Pools]:
    made = Pools(request.cls.engine, request.param)
    yield made
    made.close()


def arrived(outcome: Any, in_process: bool) -> Any:
    """The exception that was the outcome, without the parent's frames."""
    if type(outcome) is Returned:
        raise AssertionError(f"the task did not fail, but returned {outcome.value!r}")
    entry = traceback_of(outcome)
    while entry is not None and (_is_engines(entry) if in_process else _is_parents(entry)):
        entry = entry.tb_next
    set_traceback(outcome, entry)
    return outcome


def _is_parents(entry: types.TracebackType) -> bool:
    """Whether the frame ran in this process: the globals of restored ones are copies."""
    module = sys.modules.get(entry.tb_frame.f_globals.get("__name__", ""))
    return module is not None and vars(module) is entry.tb_frame.f_globals


def _is_engines(entry: types.TracebackType) -> bool:
    return not entry.tb_frame.f_globals["__name__"].endswith(".cases")


def run(opened: Opened, case: Case) -> Any:
    if not case.mapped:
        return opened.call(case.task, *case.args())
    assert opened.map is not None
    return opened.map(case.task, case.args())


class Conformance:
    """What every engine is asked. A subclass for each is made below."""

    engine: ClassVar[Engine]

    def test_case(self, pools: Pools, case: Case) -> None:
        """What must arrive arrives, and the pool goes on."""
        engine = self.engine
        if case.options:
            with pools.own(Options(**case.options)) as opened:
                outcome = run(opened, case)
            case.check(arrived(outcome, engine.in_process))
            return
        try:
            opened = pools.get()
            case.check(arrived(run(opened, case), engine.in_process))
            if not engine.lasts:
                return
            if case.ends and not engine.survives:
                pools.close()
                return
            assert opened.call(double, 21) == Returned(42)
        except BaseException:
            pools.close()  # the next case gets a new one
            raise


for _engine in ENGINES:
    _name = "Test_" + re.sub(r"\W+", "_", _engine.name).strip("_")
    assert _name not in globals()
    globals()[_name] = type(
        _name,
        (Conformance,),
        {"engine": _engine, "__doc__": f"{_engine.name}, through every case."},
    )
