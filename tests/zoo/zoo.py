"""Every exception class that can be made in popular packages, through each way of keeptrace.

    python tests/zoo/zoo.py                     all packages of packages.py that are installed
    python tests/zoo/zoo.py pydantic lxml       only these
    ... --write docs/exceptions.md              writes the table

Install the packages with `pip install -r tests/zoo/requirements.txt`; what is absent is told.

Each package is looked at in a process of its own, which imports its modules, finds its exception
classes, makes an instance of each (packages.py has arguments and real failures; the rest is guessed
from signatures), and raises it in workers that are forked from it: in KeepTraceProcessPoolExecutor,
in KeepTracePool, in the stock ProcessPoolExecutor with @keep_trace and without; and takes it
through keeptrace.loads(keeptrace.dumps(exc)).

What arrives is compared with an exception that was made in the same way here: is it caught by its
class, are text, arguments and attributes equal? An attribute that differs between two instances
made here says nothing, and is left out.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import importlib.metadata
import inspect
import io
import json
import multiprocessing
import os
import pkgutil
import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

import packages  # noqa: E402  # found by the lines above, as are ours

import keeptrace  # noqa: E402
from keeptrace.concurrent import KeepTraceProcessPoolExecutor, get_context, keep_trace  # noqa: E402

# Modules of one package that are imported, and the time for that. (modules, seconds)
MOST_MODULES = 400
IMPORT_SECONDS = 30
# What one package may take. (seconds)
PACKAGE_SECONDS = 150
# What one exception may take on one way. (seconds)
ONE_SECONDS = 10
SKIPPED_MODULES = re.compile(
    r"(^|\.)(_?tests?|testing|conftest|__main__|examples?|benchmarks?|_vendor|vendor|packages|setup|plugins|contrib)(\.|$)"
    r"|\.test_|_test$"
)

POOLS = ("executor", "pool", "decorator")
WAYS = (*POOLS, "dump")
FACETS = ("caught", "text", "args", "attributes", "methods")

# -- what there is


def modules_of(name: str) -> Iterator[str]:
    """The names of a package's modules, itself first."""
    yield name
    module = sys.modules.get(name)
    for found in pkgutil.walk_packages(
        getattr(module, "__path__", []), f"{name}.", onerror=lambda _: None
    ):
        if not SKIPPED_MODULES.search(found.name):
            yield found.name


def import_all(name: str) -> None:
    """Imports the package's modules, as far as they can be imported."""
    ends = time.monotonic() + IMPORT_SECONDS
    importlib.import_module(name)
    for count, module in enumerate(modules_of(name)):
        if count >= MOST_MODULES or time.monotonic() > ends:
            return
        with contextlib.suppress(
            BaseException
        ):  # a module that needs something else, or ends the process
            importlib.import_module(module)


def classes_of(name: str) -> list[type[BaseException]]:
    """The package's exception classes that can be found by their names, sorted."""
    found: dict[str, type[BaseException]] = {}
    waiting: list[type] = [BaseException]
    seen: set[int] = set()
    while waiting:
        cls = waiting.pop()
        if id(cls) in seen:
            continue
        seen.add(id(cls))
        waiting += type.__subclasses__(cls)
        if (
            cls.__module__.partition(".")[0] == name.partition(".")[0]
            and find(cls.__module__, cls.__qualname__) is cls
        ):
            found[f"{cls.__module__}.{cls.__qualname__}"] = cls
    return [found[key] for key in sorted(found)]


def find(module: str, qualname: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


# -- how one is made


@dataclasses.dataclass
class Specimen:
    name: str
    make: Callable[[], BaseException]


def inner() -> BaseException:
    return ValueError("the inner one")


# part of a parameter's name → a value for it; the first that fits
GUESSES: tuple[tuple[str, Callable[[], Any]], ...] = (
    (r"exc|cause|orig|error$|inner", inner),
    (
        r"errors|args|list|items|names|paths|values|children|fields|keys|tokens|loc$",
        lambda: ["first", "second"],
    ),
    (
        r"headers|params|kwargs|dict|data|body|context|details|info|extra|ctx|meta",
        lambda: {"key": "value"},
    ),
    (
        r"code|status|errno|number|line|pos|col|offset|start|end|size|len|index|count|limit|seconds|timeout|port|exit|n$",
        lambda: 3,
    ),
    (r"cls|type|class|model|schema", lambda: int),
    (r"bytes|buffer|stdout|stderr|output", lambda: b"bytes"),
    (r"func|callback", lambda: len),
)


def guess(parameter: inspect.Parameter) -> Any:
    for pattern, value in GUESSES:
        if re.search(pattern, parameter.name):
            return value()
    return f"the {parameter.name}"


def signatures(cls: type[BaseException]) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Arguments that the class may take, the likeliest first."""
    yield from (
        (tuple(args), {})
        for args in packages.ARGUMENTS.get(f"{cls.__module__}.{cls.__qualname__}", ())
    )
    try:
        parameters = list(inspect.signature(cls).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    needed = [
        found
        for found in parameters
        if found.default is found.empty and found.kind < found.VAR_POSITIONAL
    ]
    named = [
        found
        for found in parameters
        if found.default is found.empty and found.kind is found.KEYWORD_ONLY
    ]
    if needed or named:
        yield tuple(map(guess, needed)), {found.name: guess(found) for found in named}
        yield tuple("text" for _ in needed), {found.name: "text" for found in named}
        yield tuple(inner() for _ in needed), {found.name: inner() for found in named}
    for args in (
        ("the message",),
        (),
        (2, "the message"),
        ("a", "b"),
        ("a", "b", "c"),
        ("utf-8", b"abc", 0, 1, "bad"),
    ):
        yield args, {}


def maker_of(cls: type[BaseException]) -> Callable[[], BaseException] | None:
    """What makes an instance; None if nothing that is tried does."""
    for args, kwargs in signatures(cls):

        def make(args: Any = args, kwargs: Any = kwargs) -> BaseException:
            return cls(*args, **kwargs)

        try:
            made = make()
            str(made)
        except BaseException:  # these arguments are not for it
            continue
        if type(made) is cls:
            return make
    return None


def raised(function: Callable[[], object]) -> BaseException:
    try:
        function()
    except BaseException as exc:  # what the zoo is about
        return exc
    raise LookupError(f"{function} raised nothing")


SPECIMENS: list[Specimen] = []


def collect(name: str) -> list[str]:
    """Fills SPECIMENS. Gives the names of the classes of which none could be made."""
    not_made = []
    for function in packages.FAILURES.get(name, ()):
        try:
            exc = raised(function)
        except LookupError:
            not_made.append(function.__name__)
            continue
        cls = type(exc)
        SPECIMENS.append(
            Specimen(
                f"{cls.__module__}.{cls.__qualname__} ({function.__name__})",
                lambda function=function: raised(function),
            )
        )
    for cls in classes_of(name):
        make = maker_of(cls)
        if make is None:
            not_made.append(f"{cls.__module__}.{cls.__qualname__}")
        else:
            SPECIMENS.append(Specimen(f"{cls.__module__}.{cls.__qualname__}", make))
    return not_made


def task(number: int) -> None:
    raise SPECIMENS[number].make()


traced = keep_trace(task)


# -- what is compared


def clean(text: str) -> str:
    """Without addresses, durations and numbers of runs."""
    return re.sub(r"0x[0-9a-fA-F]+|\d+\.\d+ ?(?:s\b|seconds)|\d{6,}", "0x", text)[:2_000]


def equal(one: Any, other: Any) -> bool:
    """Whether two values are the same as far as can be told: equal, or of the same type with the
    same representation.
    """
    try:
        if bool(one == other):
            return True
    except Exception:
        pass
    if type(one).__qualname__ != type(other).__qualname__:
        return False
    try:
        return clean(repr(one)) == clean(repr(other))
    except Exception:
        return False


def text_of(exc: BaseException) -> str:
    try:
        return clean(str(exc))
    except Exception as problem:
        return f"<raised {type(problem).__name__}>"


def attributes_of(exc: BaseException) -> dict[str, Any]:
    """All that can be read of it and is no method: public, private, from properties and from C
    code.
    """
    found = {}
    for name in dir(exc):
        if name.startswith("__") or name in ("args", "add_note", "with_traceback"):
            continue
        try:
            with warnings.catch_warnings(action="ignore"):
                value = getattr(exc, name)
        except BaseException as problem:
            value = f"<raises {type(problem).__name__}>"
        if not callable(value) or isinstance(value, type):
            found[name] = value
    return found


def methods_of(exc: BaseException) -> dict[str, Any]:
    """What the methods that packages.py names give."""
    found = {}
    for cls in type(exc).__mro__:
        for name in packages.METHODS.get(f"{cls.__module__}.{cls.__qualname__}", ()):
            try:
                found[name] = getattr(exc, name)()
            except Exception as problem:
                found[name] = f"<raises {type(problem).__name__}>"
    return found


@dataclasses.dataclass
class Facts:
    """What an exception shows. Read once, since reading a property may change the exception."""

    exc: BaseException
    stored: frozenset[str]  # names in its __dict__
    text: str
    args: tuple[Any, ...]
    attributes: dict[str, Any]
    methods: dict[str, Any]


def facts_of(exc: BaseException) -> Facts:
    return Facts(
        exc, frozenset(vars(exc)), text_of(exc), exc.args, attributes_of(exc), methods_of(exc)
    )


def compare(mine: Facts, again: Facts, got: BaseException, by_dump: bool) -> dict[str, str]:
    """What differs: facet → how. `mine` and `again` were made here in the same way."""
    lost = {}
    own, theirs = mine.exc, facts_of(got)
    if by_dump:
        base = next(cls for cls in type(own).__mro__ if cls.__module__ == "builtins")
        if not isinstance(got, base) or type(got).__qualname__ != type(own).__qualname__:
            lost["caught"] = f"{type(got).__qualname__} of {type(got).__mro__[1].__name__}"
    elif not isinstance(got, type(own)):
        lost["caught"] = f"{type(got).__mro__[1].__name__}: {str(got)[:80]}"
    if mine.text == again.text != theirs.text:
        lost["text"] = f"{theirs.text[:80]!r}, not {mine.text[:80]!r}"
    if equal(mine.args, again.args) and not equal(mine.args, theirs.args):
        if not (
            by_dump
            and len(mine.args) == len(theirs.args)
            and all(map(shown_alike, mine.args, theirs.args))
        ):
            lost["args"] = f"{clean(repr(theirs.args))[:80]}, not {clean(repr(mine.args))[:80]}"
    wanted = mine.attributes
    if by_dump:  # no property of the class runs
        wanted = {name: value for name, value in wanted.items() if name in mine.stored}
    differ = different(
        wanted, again.attributes, theirs.attributes, shown_alike if by_dump else equal
    )
    if differ:
        lost["attributes"] = ", ".join(differ)
    differ = [] if by_dump else different(mine.methods, again.methods, theirs.methods, equal)
    if differ:
        lost["methods"] = ", ".join(differ)
    return lost


def different(
    mine: dict[str, Any],
    again: dict[str, Any],
    theirs: dict[str, Any],
    alike: Callable[[Any, Any], bool],
) -> list[str]:
    same = [name for name, value in mine.items() if name in again and equal(value, again[name])]
    return [name for name in same if not (name in theirs and alike(mine[name], theirs[name]))]


def shown_alike(value: Any, stand_in: Any) -> bool:
    """A dump has the value itself, or a stand-in for an object: its type's name and its
    representation.
    """
    return (
        equal(value, stand_in)
        or type(value).__name__ == type(stand_in).__name__
        or clean(repr(value))[:40] in clean(repr(stand_in))
    )


# -- the ways


class Ways:
    """The pools of one package, made anew after one broke."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def send(self, way: str, number: int) -> BaseException:
        if way == "dump":
            return keeptrace.loads(keeptrace.dumps(raised(lambda: task(number)), redact=False))
        try:
            if way == "pool":
                return raised(lambda: self._pool(way).apply_async(task, (number,)).get(ONE_SECONDS))
            function = traced if way == "decorator" else task
            found = self._pool(way).submit(function, number).exception(ONE_SECONDS)
            assert found is not None
        except BaseException as problem:
            found = problem
        if type(found).__name__ in ("BrokenProcessPool", "TimeoutError"):
            self._made.pop(way, None)
        return found

    def _pool(self, way: str) -> Any:
        context = multiprocessing.get_context("fork")
        if way not in self._made:
            if way == "executor":
                self._made[way] = KeepTraceProcessPoolExecutor(1, mp_context=context)
            elif way == "pool":
                self._made[way] = get_context("fork").Pool(1)
            else:
                self._made[way] = ProcessPoolExecutor(1, mp_context=context)
        return self._made[way]


def look_at(name: str) -> dict[str, Any]:
    """What becomes of the exceptions of one package."""
    quiet = io.StringIO()
    with contextlib.redirect_stdout(quiet), warnings.catch_warnings(action="ignore"):
        for module in packages.PACKAGES[name]:
            import_all(module)
        not_made = [missing for module in packages.PACKAGES[name] for missing in collect(module)]
    ways = Ways()
    lost: list[list[str]] = []
    worse: list[list[str]] = []
    whole = dict.fromkeys((*WAYS, "stock"), 0)
    for number, specimen in enumerate(SPECIMENS):
        own, again = facts_of(specimen.make()), facts_of(specimen.make())
        by_stock = compare(own, again, ways.send("stock", number), False)
        whole["stock"] += not by_stock
        for way in WAYS:
            differs = compare(own, again, ways.send(way, number), way == "dump")
            whole[way] += not differs
            lost += [[specimen.name, way, facet, how] for facet, how in differs.items()]
            if way != "dump":
                worse += [
                    [specimen.name, way, facet, how]
                    for facet, how in differs.items()
                    if facet not in by_stock
                ]
    version = importlib.metadata.version(name)
    return {
        "name": name,
        "version": version,
        "tried": len(SPECIMENS),
        "not_made": not_made,
        "whole": whole,
        "lost": lost,
        "worse": worse,
    }


# -- all of them


def look_at_all(names: list[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """The results, and the packages that are absent."""
    results, absent = [], []
    for name in names:
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            absent.append(name)
            continue
        results.append(look_at_one(name))
        found = results[-1]
        print(
            f"{name} {found['version']}: {found['tried']} tried, {found['whole']}, {len(found['worse'])} worse than stock",
            flush=True,
        )
    return results, absent


def look_at_one(name: str) -> dict[str, Any]:
    env = {**os.environ, "PYTHONWARNINGS": "ignore", "PYTHONHASHSEED": "0"}
    problem = "it took too long"
    with tempfile.TemporaryDirectory() as folder, open(Path(folder, "errors"), "wb") as errors:
        where = Path(folder, "result")
        command = [sys.executable, __file__, "--one", name, str(where)]
        process = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            cwd=folder,
            start_new_session=True,
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PACKAGE_SECONDS)
            problem = Path(folder, "errors").read_text(errors="replace")[-500:]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)  # its workers, too
        process.wait()
        if where.exists():
            return dict(json.loads(where.read_text(encoding="utf-8")))
    empty = {
        "version": importlib.metadata.version(name),
        "tried": 0,
        "not_made": [],
        "whole": dict.fromkeys((*WAYS, "stock"), 0),
    }
    return {"name": name, **empty, "lost": [], "worse": [[name, "-", "crash", problem]]}


def page(results: list[dict[str, Any]], absent: list[str]) -> str:
    """The table of docs/exceptions.md."""
    tried = sum(found["tried"] for found in results)
    totals = {way: sum(found["whole"][way] for found in results) for way in (*WAYS, "stock")}
    lines = [
        packages.HEAD.format(classes=tried, packages=len(results), python=sys.version.split()[0])
    ]
    lines += [
        "| package | version | tried | executor | Pool | `@keep_trace` | dump | stock executor |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for found in sorted(results, key=lambda found: found["name"].lower()):
        counts = " | ".join(str(found["whole"][way]) for way in (*WAYS, "stock"))
        lines.append(f"| {found['name']} | {found['version']} | {found['tried']} | {counts} |")
    counts = " | ".join(f"**{totals[way]}**" for way in (*WAYS, "stock"))
    lines += [f"| **all** | | **{tried}** | {counts} |", "", packages.LOST_HEAD, ""]
    lines += ["| class | way | what differs | stock executor |", "|---|---|---|---|"]
    for found in sorted(results, key=lambda found: found["name"].lower()):
        worse = {tuple(entry[:3]) for entry in found["worse"]}
        rows: dict[tuple[str, str, str], list[str]] = {}
        for name, way, facet, how in found["lost"]:
            stock = (
                "keeps it"
                if (name, way, facet) in worse
                else ("" if way == "dump" else "loses it, too")
            )
            what = f"{facet}: {how}" if facet in ("attributes", "methods") else facet
            rows.setdefault(("dump" if way == "dump" else "pools", what, stock), []).append(name)
        for (way, what, stock), names in rows.items():
            classes = list(dict.fromkeys(names))
            more = f" and {len(classes) - 2} others" if len(classes) > 2 else ""
            shown = ", ".join(f"`{name}`" for name in classes[:2]) + more
            lines.append(f"| {shown} | {way} | {what.replace('|', '/')} | {stock} |")
    if absent:
        lines += ["", f"Not installed when this was made: {', '.join(absent)}."]
    return "\n".join(lines) + "\n"


def main() -> int:
    words = sys.argv[1:]
    if words[:1] == ["--one"]:
        result = look_at(words[1])
        Path(words[2]).write_text(json.dumps(result), encoding="utf-8")
        os._exit(0)  # pools and threads of the packages are not waited for
    where = None
    if "--write" in words:
        at = words.index("--write")
        where = Path(words[at + 1])
        del words[at : at + 2]
    results, absent = look_at_all(words or list(packages.PACKAGES))
    worse = [entry for found in results for entry in found["worse"]]
    for name, way, facet, how in worse:
        print(f"worse than the stock executor: {name}, {way}, {facet}: {how}")
    if absent:
        print("not installed:", ", ".join(absent))
    if where:
        where.write_text(page(results, absent), encoding="utf-8")
    print(
        f"{sum(found['tried'] for found in results)} exceptions of {len(results)} packages, {len(worse)} worse than through the stock executor"
    )
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
