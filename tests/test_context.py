"""keeptrace.context, dump(extra=...), and the facts of the process that wrote a dump."""

from __future__ import annotations

import asyncio
import concurrent.futures
import copy
import importlib
import io
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from commands import Commands
from traced_tasks import fail_within

import keeptrace
from keeptrace.concurrent import KeepTracePool, KeepTraceProcessPoolExecutor
from keeptrace.core.context import NAME
from keeptrace.format.api import report_of
from keeptrace.format.reading import decode
from keeptrace.render.model import make_view


def caught(call: Any, *args: Any) -> Any:
    try:
        call(*args)
    except BaseException as exc:
        return exc
    raise AssertionError("it did not fail")


def restored(exc: BaseException, **options: Any) -> Any:
    return keeptrace.loads(keeptrace.dumps(exc, **options))


def test_what_leaves_a_block_has_its_names() -> None:
    """Blocks add up, of equal names the innermost holds, and what does not fail leaves nothing."""

    def work() -> None:
        with keeptrace.context(tenant="acme", step=1):
            with keeptrace.context(done=True):
                pass
            with keeptrace.context(step=2):
                raise KeyError("x")

    exc = caught(work)
    assert exc.keeptrace_context == {"tenant": "acme", "step": 2}
    assert not hasattr(caught(lambda: 1 / 0), NAME)


def test_a_capture_within_a_block_has_its_names_and_changes_no_exception() -> None:
    """The block is open while the dump is made, so the exception itself has none of its names."""
    exc = caught(lambda: 1 / 0)
    with keeptrace.context(request_id=7):
        found: Any = restored(exc)
    assert found.keeptrace_context == {"request_id": 7}
    assert not hasattr(exc, NAME)
    assert not hasattr(restored(exc), NAME)


def test_functions_methods_and_coroutines_are_decorated() -> None:
    """A decorated function keeps its name, and each call has a block of its own."""

    class Shop:
        @keeptrace.context(area="shop")
        def sell(self, item: str) -> str:
            raise LookupError(item)

        @keeptrace.context(area="stock")
        async def count(self, item: str) -> int:
            await asyncio.sleep(0)
            raise LookupError(item)

    assert Shop.sell.__name__ == "sell"
    assert caught(Shop().sell, "tea").keeptrace_context == {"area": "shop"}
    assert caught(asyncio.run, Shop().count("tea")).keeptrace_context == {"area": "stock"}


def test_what_cannot_be_decorated_is_refused() -> None:
    """A generator function and a class are refused, with what to do."""

    def numbers() -> Any:
        yield 1

    with pytest.raises(keeptrace.OptionError, match=r"use `with keeptrace.context\(...\)` in it"):
        keeptrace.context(a=1)(numbers)
    with pytest.raises(keeptrace.OptionError, match="functions, not type"):
        keeptrace.context(a=1)(dict)


def test_tasks_and_generators_have_their_own() -> None:
    """Concurrent tasks do not mix, and a generator that is closed elsewhere keeps its error."""

    async def work(number: int) -> None:
        with keeptrace.context(number=number):
            await asyncio.sleep(0)
            raise ValueError(number)

    async def both() -> list[Any]:
        return await asyncio.gather(work(1), work(2), return_exceptions=True)

    assert [each.keeptrace_context["number"] for each in asyncio.run(both())] == [1, 2]

    def steps() -> Any:
        with keeptrace.context(step=1):
            yield
            raise ValueError("in the second step")

    import contextvars

    generator = steps()
    contextvars.copy_context().run(next, generator)
    assert caught(next, generator).keeptrace_context == {"step": 1}


def test_threads_share_one_object_and_keep_no_name_afterwards() -> None:
    """Blocks of one object overlap in two threads; a later failure in either has no names."""
    shared = keeptrace.context(service="shop")
    in_first, in_second, first_is_out = threading.Event(), threading.Event(), threading.Event()
    later: dict[str, Any] = {}

    def first() -> None:
        with shared:
            in_first.set()
            in_second.wait(60)
        first_is_out.set()
        later["first"] = restored(caught(lambda: 1 / 0))

    def second() -> None:
        in_first.wait(60)
        with shared:
            in_second.set()
            first_is_out.wait(60)
        later["second"] = restored(caught(lambda: 1 / 0))

    threads = [threading.Thread(target=each) for each in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [hasattr(later[name], NAME) for name in ("first", "second")] == [False, False]


class Key(str):
    """A name that is equal to another, and whose comparison is code that fails."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("compared")


def test_keys_of_the_program_cost_no_exception() -> None:
    """An attribute of that name with keys of other classes stays, and nothing compares its keys."""
    exc: Any = ValueError("its own")
    exc.keeptrace_context = {Key("request_id"): 1}

    def work() -> None:
        with keeptrace.context(request_id=7):
            raise exc

    assert caught(work) is exc
    with keeptrace.context(request_id=7):
        assert restored(exc).args == ("its own",)
    found = restored(caught(fail_within, 7), extra={Key("request_id"): 8})
    assert found.keeptrace_context["request_id"] == 8


@pytest.mark.parametrize("method", ["spawn", *(["fork"] if hasattr(os, "fork") else [])])
def test_a_workers_context_arrives(method: str) -> None:
    """Through both pools, and into a dump that the parent makes; the parent's own is added."""
    ways = multiprocessing.get_context(method)
    with KeepTraceProcessPoolExecutor(1, mp_context=ways) as executor:
        future = executor.submit(fail_within, 7)
        exc = future.exception(timeout=100)
    assert exc.keeptrace_context["request_id"] == 7
    with KeepTracePool(1, context=ways) as pool:

        def wait() -> None:
            with keeptrace.context(job="night"):
                pool.apply(fail_within, (8,))

        arrived = caught(wait)
    assert arrived.keeptrace_context["request_id"] == 8
    assert arrived.keeptrace_context["job"] == "night"
    assert restored(arrived).keeptrace_context["request_id"] == 8


def test_a_value_that_cannot_be_pickled_costs_no_exception() -> None:
    """A stock pool, copy and pickle get the exception; a text stands for the lock."""
    exc = caught(fail_within, 7)
    told = {"request_id": 7, "lock": "<lock: cannot be pickled>"}
    assert pickle.loads(pickle.dumps(exc)).keeptrace_context == told
    assert copy.deepcopy(exc).keeptrace_context == told
    with concurrent.futures.ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("spawn")
    ) as executor:
        arrived: Any = executor.submit(fail_within, 7).exception(timeout=100)
    assert type(arrived) is ValueError and arrived.keeptrace_context == told


class Unreadable:
    """Can be pickled; reading the pickle raises."""

    def __init__(self, needed: object) -> None:
        self.needed = needed

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return Unreadable, ()


class Job:
    error: BaseException | None = None


def test_a_value_that_cannot_be_read_back_costs_no_exception() -> None:
    """Where a stock pool's thread reads a result, an error would end the pool."""

    def work() -> None:
        with keeptrace.context(job=Unreadable(1)):
            raise ValueError("x")

    arrived = pickle.loads(pickle.dumps(caught(work)))
    assert arrived.keeptrace_context == {"job": "<Unreadable: cannot be pickled>"}


def test_values_that_refer_to_the_exception_are_pickled_once() -> None:
    """Each name would double the work at each level, without an end."""
    jobs = {f"job{number}": Job() for number in range(8)}

    def work() -> None:
        with keeptrace.context(**jobs):
            raise ValueError("x")

    exc = caught(work)
    for job in jobs.values():
        job.error = exc
    arrived = pickle.loads(pickle.dumps(exc))
    assert all(job.error is arrived for job in arrived.keeptrace_context.values())


def test_extra_is_in_one_dump() -> None:
    """dump(extra=...) adds to the names, and neither the exception nor the next dump has them."""
    exc = caught(fail_within, 7)
    file = io.BytesIO()
    keeptrace.dump(exc, file, extra={"order": {"lines": [1, 2]}, "request_id": 8})
    found: Any = keeptrace.loads(file.getvalue())
    assert found.keeptrace_context["order"] == {"lines": [1, 2]}
    assert found.keeptrace_context["request_id"] == 8
    assert restored(exc).keeptrace_context["request_id"] == 7
    assert "order" not in exc.keeptrace_context
    for wrong in ({1: 2}, ["a"], "text"):
        with pytest.raises(keeptrace.OptionError, match="extra must be a dict"):
            keeptrace.dumps(exc, extra=wrong)  # type: ignore[arg-type]


def test_names_are_bounded_and_without_secrets() -> None:
    """The bounds of all values hold, and a secret name hides its value."""
    exc = caught(lambda: 1 / 0)
    extra = {"password": "hunter2-secret", "text": "x" * 50_000}
    data = keeptrace.dumps(exc, extra={**extra, **{f"n{n}": n for n in range(500)}}, max_items=100)
    report = decode(data).report
    assert "hunter2-secret" not in json.dumps(report["values"])
    assert report["cuts"]["max_items"]
    assert len(json.dumps(report["values"])) < 40_000


def facts_of(report: Any) -> dict[str, Any]:
    process: dict[str, Any] = report["process"]
    return process


def test_a_dump_says_which_process_wrote_it() -> None:
    """Command line, directory, user, system, interpreter, and on Linux uptime and memory."""
    facts = facts_of(decode(keeptrace.dumps(caught(lambda: 1 / 0))).report)
    assert facts["directory"] == os.getcwd()
    assert sys.orig_argv[-1] in facts["command"]
    assert sys.version.split()[0] in facts["interpreter"]
    assert facts["executable"] == sys.executable
    assert facts["user"] and facts["system"]
    if sys.platform == "linux":
        assert facts["uptime"] >= 0 and facts["memory"] > 1 << 20
        assert str(os.getuid()) in facts["user"]


def test_a_secret_on_the_command_line_is_hidden(tmp_path: Path) -> None:
    """The facts are redacted as all texts; and a removed working directory costs that fact alone."""
    program = tmp_path / "prog.py"
    program.write_text(
        "import os, sys, keeptrace\n"
        "os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')\n"
        "try: 1 / 0\n"
        "except ZeroDivisionError as exc: sys.stdout.buffer.write(keeptrace.dumps(exc))\n",
        encoding="utf-8",
    )
    command = [sys.executable, str(program), "--token", "gh0st-wr1ter-77", "orders.csv"]
    data = subprocess.run(
        command, cwd=tmp_path, check=True, capture_output=True, timeout=100
    ).stdout
    facts = facts_of(decode(data).report)
    assert "gh0st-wr1ter-77" not in json.dumps(facts) and "orders.csv" in facts["command"]
    if sys.platform == "linux":
        assert "directory" not in facts


def test_a_quote_in_a_secret_of_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell's own way of quoting it would end the quoted text, and the hidden value, before it."""
    arguments = ["prog.py", "--password", 'gh0st\'s "$wr1ter"', "that's"]
    monkeypatch.setattr(sys, "orig_argv", arguments)
    command = facts_of(decode(keeptrace.dumps(caught(lambda: 1 / 0))).report)["command"]
    assert not any(part in command for part in ("gh0st", "'s ", "wr1ter"))
    assert command.endswith(' "that\'s"')


def test_versions_of_the_packages_whose_frames_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By `__version__`, else by the .dist-info beside the package; a property of it is not asked."""
    sources = {
        "told_pkg": "__version__ = '1.2'\nfrom .deep import run\n",
        "silent_pkg": "from .deep import run\n",
        "asked_pkg": "from .deep import run\ndef __getattr__(name): raise SystemExit(name)\n",
    }
    for name, source in sources.items():
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "__init__.py").write_text(source, encoding="utf-8")
        (tmp_path / name / "deep" / "__init__.py").write_text(
            "from .x import run", encoding="utf-8"
        )
        (tmp_path / name / "deep" / "x.py").write_text("def run(f): return f()", encoding="utf-8")
    (tmp_path / "Silent_Pkg-3.4.5.dist-info").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    told, silent, asked = (importlib.import_module(name) for name in sources)

    def raised() -> None:
        told.run(lambda: silent.run(lambda: asked.run(lambda: json.loads("{"))))

    facts = facts_of(decode(keeptrace.dumps(caught(raised))).report)
    assert facts["packages"].split(", ") == ["silent_pkg 3.4.5", "told_pkg 1.2"]


@pytest.mark.parametrize("forged", [None, [], {"command": [10**6]}, {"command": {}}])
def test_forged_facts_are_refused(forged: Any) -> None:
    """A report whose facts are not laid out as facts is no report."""
    report: Any = report_of(caught(lambda: 1 / 0))
    assert "process" not in report and make_view(report).process == []
    report["process"] = forged
    with pytest.raises(keeptrace.DumpError):
        make_view(report)


def test_a_dump_of_an_older_version_has_no_facts() -> None:
    """Golden dumps open, and the views leave the facts out."""
    golden = next(iter(sorted((Path(__file__).parent / "data").rglob("*.keeptrace*"))))
    assert make_view(decode(golden.read_bytes()).report).process == []


def test_every_view_shows_both(tmp_path: Path, call: Commands) -> None:
    """info, show, show --all, --json, html and diff."""
    file, other = str(tmp_path / "a.keeptrace"), str(tmp_path / "b.keeptrace")
    keeptrace.dump(caught(fail_within, 7), file, extra={"tenant": "acme"})
    keeptrace.dump(caught(fail_within, 7), other, extra={"tenant": "else"})
    told = call.out("info", file)
    assert "'tenant': 'acme'" in told and "directory     " in told
    assert json.loads(call.out("info", file, "--json"))["process facts"]["directory"] == os.getcwd()
    shown, everything = call.out("show", file), call.out("show", "--all", file)
    assert ".keeptrace_context = {" in shown and "  directory " not in shown
    assert f"  directory    {os.getcwd()}" in everything
    assert json.loads(call.out("show", "--json", file))["process"]["directory"] == os.getcwd()
    brief = json.loads(call.out("show", "--json", "--budget", "2000", file))
    assert "'tenant': 'acme'" in brief["exceptions"][0]["context"]
    page = call.out("html", file, "-o", "-")
    assert "The process that wrote the dump" in page and "&#39;tenant&#39;: &#39;acme&#39;" in page
