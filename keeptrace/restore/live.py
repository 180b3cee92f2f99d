"""Loads live objects step by step. A stand-in with the reason replaces an object that cannot be
loaded.
"""

from __future__ import annotations

import _thread
import functools
import io
import os
import pickle
import sys
import types
from collections.abc import Callable
from typing import Any, ClassVar, Final

from .constants import constant
from .outside import acts_outside
from .standins import StandIn, known_details, make_stand_in, what_it_is


class Missing(StandIn):
    """Replaces an object of a live pickle that cannot be loaded here. Accepts any state."""

    _why = "it could not be loaded here"

    def __new__(cls, *args: object, **kwargs: object) -> Any:
        raise TypeError(f"{cls.__qualname__} cannot be called: {what_it_is(missing_instance(cls))}")

    def __setstate__(self, state: object) -> None:
        if isinstance(state, dict):
            vars(self).update(
                (name, value) for name, value in state.items() if isinstance(name, str)
            )

    # A pickle may fill the object as a container.
    def append(self, item: object) -> None: ...
    def extend(self, items: object) -> None: ...
    def add(self, item: object) -> None: ...
    def __setitem__(self, key: object, value: object) -> None: ...


def _missing(module: str, qualname: str, why: str) -> type[Missing]:
    """A class of stand-ins with the reason why the real object is missing."""
    name = qualname.rpartition(".")[2]
    return type(name, (Missing,), {"__module__": module, "__qualname__": qualname, "_why": why})


def missing_instance(cls: type[Missing]) -> Any:
    return make_stand_in(cls, f"<{cls.__qualname__}: {cls._why}>", [], cls._why)


def not_kept(why: str) -> Missing:
    """A live pickle calls this function in the place of an object too large for the pickle."""
    made: Missing = missing_instance(_missing("builtins", "object", why))
    return made


_WHY_OUTSIDE: Final = "it owns something outside of the process, and that is not brought to life"


def outside(module: str, qualname: str, text: str) -> object:
    """The stand-in for an object that owns something outside of the process. text: the repr."""
    standin = missing_instance(_missing(module, qualname, _WHY_OUTSIDE))
    known_details(standin).text = text
    return standin


# (module, name) in a live pickle → the object for this name here
_OTHERWISE: Final[dict[tuple[str, str], Callable[[], Any]]] = {
    ("keeptrace.restore.live", "outside"): lambda: outside,  # works without keeptrace, too
    ("keeptrace.restore.live", "not_kept"): lambda: not_kept,
    ("keeptrace.restore.constants", "constant"): lambda: constant,
    # dill's names for the namespace of the program, and for a class without a name
    ("__builtin__", "__main__"): lambda: vars(sys.modules["__main__"]),
    ("__builtin__", "NoneType"): lambda: type(None),
}


def _find(unpickler: Any, module: str, name: str) -> object:
    meant = _OTHERWISE.get((module, name))
    if meant:
        return meant()
    thread = _thread.get_ident()
    is_watched = thread in _loading
    _loading.discard(thread)  # an import may do the same as in the program
    try:
        return unpickler.find_class(module, name)
    finally:
        if is_watched:
            _loading.add(thread)


_PLAIN: Final = (str, bytes, int, float, bool, type(None))
_MOST_TOLD: Final = 200  # characters of an argument
# Audit events of actions forbidden to code of the pickled classes during the load. The interpreter
# announces each action with an event; raising in the hook prevents the action.
_FORBIDDEN: Final = frozenset({
    *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link"),
    *("os.symlink", "os.truncate", "os.chmod", "os.chown"),
    *("os.utime", "os.setxattr", "os.removexattr", "os.lockf", "os.kill"),
    *("os.killpg", "os.fork", "os.forkpty", "os.exec"),
    *("os.posix_spawn", "os.spawn", "os.system", "os.startfile"),
    *("mmap.__new__", "pty.spawn", "webbrowser.open"),
})  # fmt: skip
_FORBIDDEN_OF: Final = (
    *("socket.", "subprocess.", "shutil.", "sqlite3.", "tempfile."),
    *("fcntl.", "winreg.", "msvcrt."),
)
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_loading: Final[set[int]] = set()  # the threads now loading live objects


def _opens_for_writing(file: object, flags: object) -> bool:
    """Whether an "open" event takes over a descriptor, or opens a file for writing."""
    return type(file) is int or (type(flags) is int and bool(flags & _WRITING))


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if not _loading or _thread.get_ident() not in _loading:
        return
    if event == "open":
        is_forbidden = _opens_for_writing(args[0], args[2])
    else:
        is_forbidden = event in _FORBIDDEN or event.startswith(_FORBIDDEN_OF)
    if is_forbidden:
        told = ", ".join(repr(arg)[:_MOST_TOLD] for arg in args if type(arg) in _PLAIN)
        raise PermissionError(
            f"what is loaded may change nothing outside of the process, as {event}({told}) would"
        )


@functools.lru_cache(1)
def _install_watch() -> None:
    sys.addaudithook(_watch)  # a hook cannot be removed


class _NotAlone(Exception):
    """The pickle names an object that may act outside of the process: check every step."""


class _Quick(pickle.Unpickler):
    """Reads a live pickle. Raises _NotAlone if the pickle names an object that may act outside."""

    def find_class(self, module: str, name: str) -> object:
        found = _find(super(), module, name)
        if acts_outside(found) or (module, name) in _CHANGES_MODULES:
            raise _NotAlone
        return found


# dill's function for modules, which puts the state of the writer's modules into modules here.
_CHANGES_MODULES: Final = frozenset(
    {("dill._dill", "_import_module"), ("dill.dill", "_import_module")}
)
_Unpickler: Any = pickle._Unpickler  # the C version cannot replace one failing object


def _guard(load: Callable[[Any], None], operands: int) -> Callable[[Any], None]:
    return lambda unpickler: unpickler._guarded(load, operands)


# The opcodes that call an object, and the number of their operands on the stack
_CALLS: Final = {
    **dict.fromkeys((pickle.REDUCE[0], pickle.NEWOBJ[0], pickle.BUILD[0]), 2),
    pickle.NEWOBJ_EX[0]: 3,
}
_GUARDED: Final = {code: _guard(_Unpickler.dispatch[code], count) for code, count in _CALLS.items()}


class _Lenient(_Unpickler):  # type: ignore[misc]  # typeshed lacks the parts of the class
    """Reads a live pickle by steps. A failing or forbidden step gives a Missing."""

    dispatch: ClassVar[dict[int, Any]] = {**_Unpickler.dispatch, **_GUARDED}
    is_checked = True

    def find_class(self, module: str, name: str) -> object:
        try:
            return _find(super(), module, name)
        except Exception as problem:
            return _missing(module, name, _why_not_found(module, name, problem))

    def _guarded(self, load: Callable[[Any], None], operands: int) -> None:
        saved = self.stack[-operands:]
        height = len(self.stack) - operands
        replaced = _replaced(load, saved, self.is_checked)
        if replaced is not None:
            self.stack[height:] = [replaced]
            return
        try:
            load(self)
        except BaseException as problem:  # sys.exit() in a reduction costs this object alone
            self.stack[height:] = [self._missing_for(saved, problem)]

    def _missing_for(self, operands: list[Any], problem: BaseException) -> object:
        """The stand-in for the result of a failed step."""
        why = _why_failed(operands, problem)
        if not operands:
            return missing_instance(_missing("builtins", "object", why))
        target = operands[0]
        if isinstance(target, type):
            return missing_instance(_missing(target.__module__, target.__qualname__, why))
        cls = type(target)
        missing = missing_instance(_missing(cls.__module__, cls.__qualname__, why))
        for index, known in self.memo.items():
            if known is target:  # half made, so aliases are missing, too
                self.memo[index] = missing
        return missing


_BUILD: Final = _Unpickler.dispatch[pickle.BUILD[0]]
# Functions that make an instance of their first argument, a class.
_MAKERS: Final = frozenset(
    {"_reconstructor", "__newobj__", "__newobj_ex__", "__new__", "_create_type", "constant"}
)


def _replaced(load: Callable[[Any], None], operands: list[Any], is_checked: bool) -> object:
    """The replacement for the result of a step that needs a missing object, or would act outside
    of the process; None for any other step.
    """
    target = operands[0]
    if load is _BUILD:
        if is_checked and issubclass(type(target), types.ModuleType):
            return target  # without the state: a module must not change here
        return None
    target, args = _called(operands)
    if isinstance(target, type) and issubclass(target, Missing):
        return missing_instance(target)
    if isinstance(target, Missing):
        return target
    if is_checked and acts_outside(target):
        return _refusal(target, args)
    return None


def _called(operands: list[Any]) -> tuple[Any, tuple[Any, ...]]:
    """The object called by a step, and the arguments. For a maker: the class of the new object."""
    target, *arguments = operands
    args: tuple[Any, ...] = ()
    if arguments and type(arguments[0]) is tuple:
        args = arguments[0]
    is_maker = not isinstance(target, type) and getattr(target, "__name__", "") in _MAKERS
    if is_maker and args:
        return (args[0], args[1:])
    return (target, args)


def _refusal(target: Any, args: tuple[Any, ...]) -> object:
    """The stand-in for the result of a call that would act outside of the process."""
    if getattr(target, "__name__", "") == "_create_filehandle":
        return _file_of(args)
    keywords: dict[str, Any] = {}
    if type(target) is functools.partial:
        target, args, keywords = target.func, (*target.args, *args), target.keywords
    owner = getattr(target, "__self__", None)
    if isinstance(owner, type):
        target = owner
    name = getattr(target, "__qualname__", "object")
    module = str(getattr(target, "__module__", "builtins"))
    told = ", ".join([_argument(arg) for arg in (*args, *keywords.values())])
    return outside(module, name, f"<{module}.{name}{told and ' of '}{told}>")


def _argument(value: object) -> str:
    if type(value) in _PLAIN:
        return repr(value)[:_MOST_TOLD]
    return "..."


def _file_of(args: tuple[Any, ...]) -> object:
    """The stand-in for a file: dill would open the file."""
    name, mode, position, closed = args[:4]
    kind = _class_of_file(str(mode))
    state = f"name={name!r} mode={mode!r} position={position!r}"
    if closed:
        state += " closed"
    standin = outside("_io", kind, f"<_io.{kind} {state}>")
    vars(standin).update(name=name, mode=mode, position=position, closed=closed)
    return standin


def _class_of_file(mode: str) -> str:
    """The name of open()'s class of _io for a mode."""
    if "b" not in mode:
        return "TextIOWrapper"
    if "+" in mode:
        return "BufferedRandom"
    writer = "BufferedWriter"
    kinds = {"r": "BufferedReader", "w": writer, "a": writer, "x": writer}
    return kinds.get(mode[:1], "FileIO")


def _why_not_found(module: str, name: str, problem: BaseException) -> str:
    if isinstance(problem, ModuleNotFoundError) and problem.name is not None:
        return f"there is no module {problem.name!r} here, which it needs"
    if isinstance(problem, AttributeError):
        return f"the module {module!r} has no {name!r} here"
    return f"importing {module!r} raised {type(problem).__name__}: {problem}"


def _why_failed(operands: list[Any], problem: BaseException) -> str:
    """Why a step failed. If a part is missing, the reason is the part's reason."""
    for part in operands:
        parts = (part,)
        if type(part) is tuple:
            parts = part
        for found in parts:
            if isinstance(found, Missing) or (
                isinstance(found, type) and issubclass(found, Missing)
            ):
                return found._why
    return f"loading it here raised {type(problem).__name__}: {problem}"


def load_live_objects(data: bytes, count: int, is_checked: bool) -> list[Any]:
    """The live objects, with a Missing for each object that cannot be loaded.

    is_checked: load no owner of anything outside of the process. Within a pool the objects of an
        exception cross as without keeptrace.
    """
    why = "the live objects are no list"
    for load in (load_quickly, _load_leniently):
        try:
            objects = load(data, is_checked)
        except BaseException as problem:  # from the user's reduction: stand-ins remain
            why = f"loading the live objects raised {type(problem).__name__}: {problem}"
            continue
        if type(objects) is list:
            return objects
    return [missing_instance(_missing("builtins", "object", why))] * count


def load_quickly(data: bytes, is_checked: bool) -> Any:
    if is_checked:
        return _watched(_Quick(io.BytesIO(data)).load)
    return pickle.loads(data)


def _load_leniently(data: bytes, is_checked: bool) -> object:
    unpickler = _Lenient(io.BytesIO(data))
    unpickler.is_checked = is_checked
    if is_checked:
        return _watched(unpickler.load)
    return unpickler.load()


def _watched(load: Callable[[], Any]) -> object:
    thread = _thread.get_ident()
    if thread in _loading:  # a dump within a dump
        return load()
    _install_watch()
    _loading.add(thread)
    try:
        return load()
    finally:
        _loading.discard(thread)
