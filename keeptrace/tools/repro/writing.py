"""The text of a repro: a pytest file that repeats the failing call."""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from ...core.errors import KeepTraceError
from ...core.report import CodeRecord, Ref, Report
from ...core.texts import one_line, shorten
from ...render.data import access
from ...render.view import ShownException, View
from .program import Target, is_async, is_async_generator, is_generator, target_of
from .values import Rebuilder, joined

_VARARGS: Final = 0x04
_VARKEYWORDS: Final = 0x08
# Parts of a message that differ from run to run, or were hidden.
_UNSTABLE: Final = re.compile(r"0x[0-9a-f]{6,}|<redacted|\bat \d{4}-\d\d")

_INSTANCE: Final = '''
def instance(cls, **attributes):
    """An instance with these attributes; its __init__ does not run."""
    made = cls.__new__(cls)
    for name, value in attributes.items():
        object.__setattr__(made, name, value)
    return made

'''
_ORIGINAL: Final = '''
def original(*names):
    """The function itself, below properties, class methods and decorators."""
    found = program
    for name in names:
        found = inspect.getattr_static(found, name)
    inner = found
    while inner is not None:
        found = inner
        names = ("fget", "func", "__func__", "__wrapped__")
        parts = [getattr(found, name, None) for name in names]
        inner = next((part for part in parts if part), None)
    return found

'''
_SCRIPT: Final = '''
def script(path, line):
    """The module of a script, as far as it had run when it failed in this line."""
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read(), path)
    tree.body = [statement for statement in tree.body if statement.end_lineno < line]
    module = types.ModuleType("program")
    module.__file__ = path
    sys.modules["program"] = module
    exec(compile(tree, path, "exec"), vars(module))
    return module

'''
_CONSUME: Final = """
async def consume(generator):
    return [each async for each in generator]

"""
_LIVE: Final = '''
def kept_alive():
    """The variables of the frame in the dump, with the objects that it keeps alive."""
    entry = keeptrace.load({dump}, live=True){path}.__traceback__
    for _ in range({position}):
        entry = entry.tb_next
    return entry.tb_frame.f_locals

'''
# An exception may be in a container among the arguments. (levels of parts)
_LEVELS_HELD: Final = 3
_STEPS: Final = {"cause": ".__cause__", "context": ".__context__", "suppressed": ".__context__"}


def repro_text(
    report: Report, view: View, *, dump: str, number: int | None = None, live: bool = False
) -> str:
    """The text of a pytest file that repeats the call in a frame, and expects its exception.

    dump: the path of the dump; the text names the file.
    number: of the frame; default: the innermost frame with a function that a test can call.
    live: the test reads values without code from the dump, as live objects.

    Raises KeepTraceError if a test cannot call the function of any frame.
    """
    target = target_of(report, view, number)
    return _Writer(report, view, target, dump, live).text()


class _Writer:
    """Writes one file."""

    def __init__(self, report: Report, view: View, target: Target, dump: str, live: bool) -> None:
        self._view = view
        self._target = target
        self._dump = dump
        self._is_live = live
        self._uses_live = False
        self._type = report["exceptions"][target.exception.index]["type"]
        self._values = Rebuilder(report, view.values, target.module)
        self._locals = dict(target.frame.locals)

    def text(self) -> str:
        words = re.sub(r"\W+", "_", self._target.frame.function)
        name = words.strip("_").lower()
        arguments = "".join(self._arguments())
        expected = self._expected()
        body = textwrap.indent(f"{arguments}{expected}", "    ")
        test = f"def test_{name}_fails():\n{body}"
        return f"{self._docstring()}\n\n{self._head()}\n{test}"

    def _docstring(self) -> str:
        frame = self._target.frame
        one_line_title = one_line(self._target.exception.title)
        title = _in_docstring(shorten(one_line_title, 80))
        dump = _in_docstring(os.path.basename(self._dump))
        return (
            f'"""{frame.function} fails: {title}\n\n'
            f"Made by keeptrace repro of frame #{frame.number} in {dump}."
            " Arguments are as they were when\n"
            'the exception left the function; it may have changed them.\n"""'
        )

    def _head(self) -> str:
        """Imports, helpers and the program's module. Called last: the arguments need imports."""
        target = self._target
        values = self._values
        helpers = [_ORIGINAL]
        modules = {"inspect", "pytest", "sys", *values.imports}
        if target.until is not None:
            modules |= {"ast", "types"}
            helpers.append(_SCRIPT)
            program = f"program = script({target.frame.file!r}, {target.until})"
        else:
            modules.add("importlib")
            program = f"program = importlib.import_module({target.module!r})"
        if values.needs_instances:
            helpers.append(_INSTANCE)
        if is_async(target.code) or is_async_generator(target.code):
            modules.add("asyncio")
        if is_async_generator(target.code):
            helpers.append(_CONSUME)
        if self._uses_live:
            modules |= {"keeptrace", "pathlib"}
            helpers.append(self._live_helper())
        # The directory comes first: modules of the program may be among the imports.
        own = sorted(modules - {"sys"})
        lines = ["import sys", "", f"sys.path.insert(0, {target.root!r})", ""]
        lines += [f"import {module}  # noqa: E402" for module in own]
        parts = ["\n".join(lines)]
        parts += [helper.strip() for helper in helpers]
        parts.append(program)
        return "\n\n\n".join(parts) + "\n\n"

    def _live_helper(self) -> str:
        at = 0
        for frame in self._exception_of_frame().frames:
            if frame is self._target.frame:
                break
            if not frame.is_caller:
                at += 1
        name = os.path.basename(self._dump)
        dump = f"pathlib.Path(__file__).with_name({name!r})"
        return _LIVE.format(dump=dump, path=self._path_to(), position=at)

    def _exception_of_frame(self) -> ShownException:
        return self._view.exceptions[self._target.frame.exception]

    def _path_to(self) -> str:
        """From the dumped exception to the exception of the frame, as Python code."""
        steps = []
        exception = self._exception_of_frame()
        while exception.of >= 0:
            above = self._view.exceptions[exception.of]
            step = _STEPS.get(exception.relation)
            if exception.relation == "held":
                step = self._path_to_held(above, exception.index)
            elif step is None:
                children = [index for relation, index in above.links if relation == "child"]
                at = children.index(exception.index)
                step = f".exceptions[{at}]"
            steps.append(step)
            exception = above
        return "".join(reversed(steps))

    def _path_to_held(self, holder: ShownException, index: int) -> str:
        """From an exception to an exception in its arguments or attributes, as Python code."""
        values = self._view.values
        places = [(f".{name}", ref) for name, ref in holder.details]
        for _ in range(_LEVELS_HELD):
            deeper = []
            for path, ref in places:
                if values.exception_at(ref) == index:
                    return path
                for child in values.children(ref):
                    deeper.append((path + access(values, child), child.ref))
            places = deeper
        raise KeepTraceError("the frame's exception is in no place that code can name: omit --live")

    # -- the call

    def _arguments(self) -> Iterator[str]:
        for name in self._target.code["names"]:
            yield self._argument(name)

    def _argument(self, name: str) -> str:
        if name not in self._locals:
            return f"# not rebuilt: {name} was deleted, or its value was not kept\n{name} = None\n"
        self._values.missing.clear()
        code = self._values.code(self._ref(name), name)
        missing = list(self._values.missing)
        if missing and self._is_live:
            self._uses_live = True
            return f'{name} = kept_alive()["{name}"]\n'
        notes = [f"# not rebuilt: {one_line(each)}\n" for each in missing]
        return "".join([*notes, f"{name} = {code}\n"])

    def _ref(self, name: str) -> Ref:
        return self._locals[name]

    def _expected(self) -> str:
        exception = self._target.exception
        expected = self._values.type_code(self._type)
        check = ""
        if expected is None:
            expected = "BaseException"
            _, _, name = exception.type.rpartition(".")
            check = f"assert type(raised.value).__name__ == {name!r}\n"
        message = exception.message
        if _UNSTABLE.search(message):
            check += f"# its message: {one_line(shorten(message, 200))}\n"
        else:
            check += f"assert str(raised.value) == {message!r}\n"
        return f"with pytest.raises({expected}) as raised:\n    {self._call()}\n{check}"

    def _call(self) -> str:
        code = self._target.code
        names = _mangled(self._target.frame.function.split("."))
        path = ", ".join(map(repr, names))
        call = joined(f"original({path})(", _given(code), ")")
        call = call.replace("\n", "\n    ")
        if is_async_generator(code):
            return f"asyncio.run(consume({call}))"
        if is_async(code):
            return f"asyncio.run({call})"
        if is_generator(code):
            return f"list({call})"
        return call


def _in_docstring(text: str) -> str:
    """A text without characters that end or escape a docstring."""
    return text.replace("\\", "/").replace('"', "'")


def _given(code: CodeRecord) -> list[str]:
    """The arguments in a call, each by the variable of its name."""
    names = code["names"]
    _, positional, keywords = code["args"]
    end_of_named = positional + keywords
    given = names[:positional]
    rest = names[end_of_named:]
    if code["flags"] & _VARARGS and rest:
        given.append(f"*({rest.pop(0)} or ())")
    given += [f"{name}={name}" for name in names[positional:end_of_named]]
    if code["flags"] & _VARKEYWORDS and rest:
        given.append(f"**({rest.pop(0)} or {{}})")
    return given


def _mangled(names: list[str]) -> list[str]:
    """The parts of a qualified name as attributes: private names begin with the class's name."""
    found = names[:1]
    for owner, name in pairwise(names):
        if name.startswith("__") and not name.endswith("__"):
            name = f"_{owner.lstrip('_')}{name}"
        found.append(name)
    return found
