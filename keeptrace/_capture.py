"""Exception → report: the chain, its frames, their variables. Never raises, and leaves the exception as it was.

The ladder: all as the options say → if that fails, representations only and none of the user's code → the text alone.
Each rung below the first is marked in the report, so that the user sees it in the restored exception.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable
from contextvars import ContextVar
from itertools import islice
from time import monotonic
from typing import Any, Final

from . import _live
from ._guard import Failed, run_each
from ._options import Options, bound
from ._render import NeedsUserCode, Renderer, attribute_of
from ._report import FORMAT, ExceptionRecord, Position, Ref, Report
from ._restore import BUILTIN_TYPES, fields_of, has_hook, is_exact
from ._source import snapshot
from ._values import Values, mro_of, names_of, namespace_of

_cause_of: Final = BaseException.__dict__["__cause__"].__get__
_context_of: Final = BaseException.__dict__["__context__"].__get__
_suppress_of: Final = BaseException.__dict__["__suppress_context__"].__get__
_traceback_of: Final = BaseException.__dict__["__traceback__"].__get__
_args_of: Final = BaseException.__dict__["args"].__get__
_dict_of: Final = BaseException.__dict__["__dict__"].__get__
_children_of: Final = BaseExceptionGroup.__dict__["exceptions"].__get__
_message_of: Final = BaseExceptionGroup.__dict__["message"].__get__
_bases_of: Final = type.__dict__["__bases__"].__get__

_OPTIMIZED: Final = 0x1
# Arguments that can be so large that str() of the exception must not be made of the whole.
_LARGE: Final = (bytes, bytearray, list, tuple, dict, set, frozenset)
_PYTHON: Final = "{}.{}.{}".format(*sys.version_info)
# Names in a module's namespace that are the import system's, and would lead readers of the restored frame astray.
_IMPORT_SYSTEM: Final = frozenset({"__builtins__", "__loader__", "__spec__", "__cached__"})
# Attributes of exceptions that are ours: concurrent/_foreign.py gives a traced function's exceptions a __reduce_ex__ of their own.
_OF_KEEPTRACE: Final = ("__keeptrace", "__reduce_ex__")
# Builtin exceptions that the oldest Python we support lacks: a reader there needs their bases.
_NEWER_THAN_3_11: Final = frozenset({"PythonFinalizationError", "_IncompleteInputError"})


class _CodeFacts:
    """What is worth knowing of a code object, kept between captures."""

    __slots__ = ("code", "names", "positions", "record")

    def __init__(self, code: types.CodeType) -> None:
        self.code = code  # held, so that its id is not given to another
        count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 0x4) + bool(code.co_flags & 0x8)
        self.record: Any = {
            "file": code.co_filename,
            "name": code.co_name,
            "qualname": code.co_qualname,
            "line": code.co_firstlineno,
            "args": [code.co_posonlyargcount, code.co_argcount, code.co_kwonlyargcount],
            "flags": code.co_flags,
            "names": list(code.co_varnames[:count]),
        }
        self.names = tuple(name for name in dict.fromkeys(_global_names(code)) if name not in _IMPORT_SYSTEM)
        self.positions: dict[int, Position] = {}

    def position(self, lasti: int) -> Position:
        found = self.positions.get(lasti)
        if found is None:
            place = next(islice(self.code.co_positions(), lasti // 2, None), None) if lasti >= 0 else None
            line, end, column, end_column = place or (None, None, None, None)
            found = self.positions[lasti] = [line, end, column, end_column]
        return found


def _global_names(code: types.CodeType) -> list[str]:
    """The names that the code, and the functions defined in it, may take from the globals."""
    names: list[str] = []
    waiting = [code]
    while waiting:
        code = waiting.pop()
        names += code.co_names
        waiting += [const for const in code.co_consts if type(const) is types.CodeType]
    return names


# Set while a capture runs, here and in the threads it uses: what it pickles is not to be captured in turn.
capturing: Final[ContextVar[bool]] = ContextVar("capturing", default=False)

_facts: dict[int, _CodeFacts] = {}
# More code objects than a large program runs into failures with; then it starts afresh, for programs that make code all the time.
_MOST_FACTS: Final = 4096


def _facts_of(code: types.CodeType) -> _CodeFacts:
    found = _facts.get(id(code))
    if found is None:
        if len(_facts) >= _MOST_FACTS:
            _facts.clear()
        found = _facts[id(code)] = _CodeFacts(code)
    return found


class _ExceptionFacts:
    """What is worth knowing of an exception class."""

    __slots__ = ("has_str", "mro", "slots", "state")

    def __init__(self, cls: type) -> None:
        self.mro = mro_of(cls)
        self.state = fields_of(self.mro)  # what C code holds
        self.has_str = has_hook(self.mro, "__str__")
        self.slots = [
            (name, slot)
            for parent in self.mro
            if id(parent) not in BUILTIN_TYPES
            for name, slot in namespace_of(parent).items()
            if type(slot) is types.MemberDescriptorType and not name.startswith("__")
        ]


# Builtin classes cannot change, so their facts are kept; those of the user's are looked at each time.
_builtin_facts: Final[dict[int, _ExceptionFacts]] = {}


def _exception_facts(cls: type) -> _ExceptionFacts:
    found = _builtin_facts.get(id(cls))
    if found is None:
        found = _ExceptionFacts(cls)
        if id(cls) in BUILTIN_TYPES:
            _builtin_facts[id(cls)] = found
    return found


def linked_to(exc: BaseException) -> list[BaseException]:
    """The exceptions that one leads to: its cause, its context, its children. No hook of its class is asked."""
    linked = [other for other in (_cause_of(exc), _context_of(exc)) if other is not None]
    return [*linked, *_children_of(exc)] if issubclass(type(exc), BaseExceptionGroup) else linked


class _Capture:
    """One capture on its way."""

    def __init__(self, options: Options, pool_dumps: _live.Dumps | None) -> None:
        self._options = options
        self._pool_dumps = pool_dumps
        self._deadline = monotonic() + options.max_seconds
        self._cuts: dict[str, int] = {}
        self._order: list[BaseException] = []
        self._index: dict[int, int] = {}
        self._records: list[ExceptionRecord] = []
        self._frames: list[Any] = []
        self._frame_index: dict[int, int] = {}
        self._codes: list[Any] = []
        self._code_index: dict[int, int] = {}
        self._globals: list[dict[str, Ref]] = []
        self._globals_index: dict[int, int] = {}
        self._wanted: list[dict[str, Any]] = []  # of each namespace what the frames' code uses
        self._named: dict[int, int] = {}  # code → the namespace in which its names were looked for
        self._name_errors: list[tuple[types.FrameType, int]] = []  # where they were raised
        self._keeps_live = options.pickler is not None and not 0 <= options.depth <= 1
        self._roots: list[int] = []  # indexes of the values that may be made live
        self._to_tell: list[tuple[BaseException, ExceptionRecord, _ExceptionFacts]] = []  # those whose message may need to be recorded
        self._files: dict[str, dict[str, Any]] = {}
        self._values = Values(options, self._index, self._cuts, self._deadline)
        self._exception_types: dict[int, int] = {}

    def run(self, exc: BaseException) -> Report:
        options = self._options
        depth = options.depth if options.depth >= 0 else 1 << 30
        self._collect(exc)
        for found in self._order:
            self._records.append(self._exception(found, max(depth, 1)))
        of_exceptions = len(self._roots)
        if depth:
            for number, found in enumerate(self._order):
                self._traceback(found, self._records[number], depth, number == 0)
            self._read_globals(depth)
        else:
            self._records[0]["text"] = _cut_within(_text_of(exc), self._options.max_bytes // 4)  # of which UTF-8 makes 4 bytes at most
        values = self._values
        values.drain()
        for found, record, facts in self._to_tell:
            self._message(found, record, facts)
            self._note_objects(found, record)
        values.finish()
        report: Report = {
            "format": FORMAT,
            "python": _PYTHON,
            "exceptions": self._records,
            "frames": self._frames,
            "codes": self._codes,
            "globals": self._globals,
            "types": values.types,
            "values": values.nodes,
            "sources": {},
            "live": None,
            "cuts": self._cuts,
        }
        if self._keeps_live and options.pickler is not None:
            _live.keep(report, values.objects, self._roots, _live.dumps_of(options.pickler), options.max_bytes, self._deadline)
        elif self._pool_dumps is not None and options.depth:
            _live.keep(report, values.objects, self._roots[:of_exceptions], self._pool_dumps, options.max_live_bytes, self._deadline)
        if self._files and (options.include_source or self._pool_dumps is not None):
            snapshot(report, self._files, self._pool_dumps is None, options.max_bytes)
        return report

    # -- the chain

    def _collect(self, exc: BaseException) -> None:
        """Numbers every exception that can be reached, in the order in which they are met."""
        most = self._options.max_exceptions
        self._number(exc)
        for found in self._order:  # it grows meanwhile
            for other in linked_to(found):
                if id(other) in self._index:
                    continue
                if len(self._order) >= most:
                    self._values.cut("max_exceptions")
                    continue
                self._number(other)

    def _number(self, exc: BaseException) -> None:
        self._index[id(exc)] = len(self._order)
        self._order.append(exc)

    def _exception(self, exc: BaseException, depth: int) -> ExceptionRecord:
        values = self._values
        facts = _exception_facts(type(exc))
        arguments = _args_of(exc)
        refs = self._message_refs(arguments, depth)
        self._may_live(refs)
        fields: dict[str, Ref] = {}
        if facts.state is not None:
            for name, value in _fields(exc, *facts.state).items():
                if name == "obj":
                    values.wants_dir.add(id(value))
                fields[name] = self._message_refs((value,), depth)[0]
            self._may_live(fields.values())
        namespace = dict(_dict_of(exc))
        notes = namespace.pop("__notes__", None)
        for name, slot in facts.slots:
            try:
                namespace.setdefault(name, slot.__get__(exc))
            except AttributeError:  # a slot without a value
                continue
        attributes: dict[str, Ref] = {}
        if namespace:
            kept = {name: value for name, value in namespace.items() if type(name) is str and not name.startswith(_OF_KEEPTRACE)}
            attributes = values.named(kept, depth)
            self._may_live(attributes.values())
        record: ExceptionRecord = {
            "type": self._type(type(exc)),
            "args": [values.add(["tuple", len(refs), refs])],
            "fields": fields,
            "attributes": attributes,
            "cause": self._index_of(_cause_of(exc)),
            "context": self._index_of(_context_of(exc)),
            "suppress": _suppress_of(exc),
            "traceback": [],
        }
        if notes is not None:
            if type(notes) is list:
                record["notes"] = [values.add(["list", len(notes), self._message_refs(notes, depth)])]
            else:
                record["notes"] = values.ref(notes, depth)
        if facts.has_str or notes is not None or list in map(type, (*refs, *fields.values())):
            self._to_tell.append((exc, record, facts))
        if issubclass(type(exc), BaseExceptionGroup):
            (fields["message"],) = self._message_refs((_message_of(exc),), depth)
            children = _children_of(exc)
            record["children"] = [self._index[id(child)] for child in children if id(child) in self._index]
        return record

    def _message_refs(self, texts: Iterable[Any], depth: int) -> list[Ref]:
        """Messages may be longer than other texts."""
        values = self._values
        refs: list[Ref] = []
        for text in texts:
            if type(text) is str and len(text) <= self._options.max_message:
                values.bytes += len(text)
                refs.append(text)
            else:
                refs.append(values.ref(text, depth))
        return refs

    def _index_of(self, exc: BaseException | None) -> int | None:
        return None if exc is None else self._index.get(id(exc))

    def _may_live(self, refs: Iterable[Ref]) -> None:
        self._roots += [ref[0] for ref in refs if type(ref) is list]

    def _type(self, cls: type) -> int:
        """The index of an exception's type, with its bases down to builtin ones that every Python has."""
        found = self._exception_types.get(id(cls))
        if found is not None:
            return found
        types_ = self._values.types
        start = len(types_)
        if id(cls) in _builtin_facts and cls.__name__ not in _NEWER_THAN_3_11:
            self._exception_types[id(cls)] = start
            types_.append(["builtins", cls.__name__, []])
            return start
        waiting = [cls]
        while waiting:
            parent = waiting.pop()
            if id(parent) in self._exception_types:
                continue
            self._exception_types[id(parent)] = len(types_)
            module, qualname = names_of(parent)
            types_.append([module, qualname, []])
            if id(parent) not in BUILTIN_TYPES or qualname in _NEWER_THAN_3_11:
                waiting.extend(_bases_of(parent))
        for parent in mro_of(cls):
            index = self._exception_types.get(id(parent), -1)
            if index >= start and (id(parent) not in BUILTIN_TYPES or types_[index][1] in _NEWER_THAN_3_11):
                types_[index][2] = [self._exception_types[id(base)] for base in _bases_of(parent)]
        return self._exception_types[id(cls)]

    def _message(self, exc: BaseException, record: ExceptionRecord, facts: _ExceptionFacts) -> None:
        """Records str(exc) where a restorer could not make it from what it gets."""
        nodes = self._values.nodes
        told = facts.has_str
        if not told and is_exact(nodes, [record["args"], *record["fields"].values()]):
            return
        most = self._options.max_message
        if not told and self._plain_message(exc, facts, record):
            return
        if any("__keeptrace_str__" in namespace_of(cls) for cls in facts.mro):  # restored before: it has been told
            record["str"] = str(exc)
        elif self._options.run_reprs:
            def use(result: Any) -> None:
                record["str"] = _failed_text("exception", result) if isinstance(result, Failed) else result

            large = any(type(arg) in _LARGE and len(arg) > most for arg in _args_of(exc)) and not told
            self._values.later(lambda: self._of_large(exc) if large else _cut(str(exc), most), use)
        else:
            record["str"] = f"<{names_of(type(exc))[1]}: its str() was not run>"

    def _of_large(self, exc: BaseException) -> str:
        """What str() gives, but bounded from the start: the whole of it takes several times the memory of the argument."""
        arguments = _args_of(exc)
        renderer = Renderer(self._options.max_message, True)
        return renderer.with_user_code(arguments[0] if len(arguments) == 1 else arguments)

    def _note_objects(self, exc: BaseException, record: ExceptionRecord) -> None:
        """Records str() of those notes that are no texts: it is what tracebacks show of them."""
        notes = _dict_of(exc).get("__notes__")
        if type(notes) is not list or not self._options.run_reprs:
            return
        nodes = self._values.nodes
        for note, ref in zip(notes, nodes[record["notes"][0]][2]):
            if type(ref) is list and nodes[ref[0]][0] == "object" and "str" not in nodes[ref[0]][4]:
                node = nodes[ref[0]]

                def use(result: Any, node: Any = node) -> None:
                    node[4] = {**node[4], "str": _failed_text("note", result) if isinstance(result, Failed) else result}

                self._values.later(lambda note=note: _cut(str(note), self._options.max_message), use)  # type: ignore[misc]  # its default is the note

    def _plain_message(self, exc: BaseException, facts: _ExceptionFacts, record: ExceptionRecord) -> bool:
        """Records what BaseException.__str__ gives, if that takes none of the user's code."""
        arguments = _args_of(exc)
        if facts.state is not None or issubclass(type(exc), (KeyError, BaseExceptionGroup)) or not arguments:
            return False  # a __str__ of C code that looks at more than args
        value = arguments[0] if len(arguments) == 1 else arguments
        _, text_of = attribute_of(mro_of(type(value)), "__str__")
        if text_of is not object.__str__:  # it has its own idea of a text
            return False
        try:
            record["str"] = Renderer(self._options.max_message, self._options.run_reprs)(value)
        except NeedsUserCode:
            return False
        return True

    # -- frames

    def _traceback(self, exc: BaseException, record: ExceptionRecord, depth: int, is_root: bool) -> None:
        entries: list[types.TracebackType] = []
        traceback = _traceback_of(exc)
        while traceback is not None:
            entries.append(traceback)
            traceback = traceback.tb_next
        if self._options.outer_frames and is_root and entries:
            record["outer"] = self._outer(entries[0].tb_frame.f_back, depth)
        most = bound(self._options.limit)
        left_out = len(entries) - most
        if left_out > 0:
            head = most // 4
            tail = len(entries) - (most - head)
            self._values.cut("limit", left_out)
        else:
            head = tail = 0
        # the innermost first: its variables are met first, and so are kept when a bound is reached
        told = [self._entry(entry, depth) for entry in reversed(entries[tail:])]
        if left_out > 0:
            told += [[-1, left_out], *[self._entry(entry, depth) for entry in reversed(entries[:head])]]
        record["traceback"] = told[::-1]
        if entries and issubclass(type(exc), NameError):
            self._name_errors.append((entries[-1].tb_frame, told[0][0]))

    def _entry(self, entry: types.TracebackType, depth: int) -> list[Any]:
        frame = entry.tb_frame
        facts = _facts_of(frame.f_code)
        position = facts.position(entry.tb_lasti)
        if position[0] is None:
            position = [entry.tb_lineno, *position[1:]]
        index = self._frame_index.get(id(frame))
        return [self._frame(frame, facts, depth) if index is None else index, position]

    def _outer(self, frame: types.FrameType | None, depth: int) -> list[int]:
        found: list[int] = []
        most = bound(self._options.limit)
        while frame is not None and len(found) < most:
            index = self._frame_index.get(id(frame))
            found.append(self._frame(frame, _facts_of(frame.f_code), depth) if index is None else index)
            frame = frame.f_back
        return found[::-1]

    def _frame(self, frame: types.FrameType, facts: _CodeFacts, depth: int) -> int:
        """A frame that was not met before."""
        index = self._frame_index[id(frame)] = len(self._frames)
        namespace = frame.f_globals
        place = self._globals_index.get(id(namespace))
        if place is None:
            place = self._globals_index[id(namespace)] = len(self._wanted)
            self._wanted.append({name: namespace[name] for name in ("__name__", "__file__") if name in namespace})
        code_index = self._code_index.get(id(facts))
        if code_index is None:
            code_index = self._code_index[id(facts)] = len(self._codes)
            self._codes.append(facts.record)
            self._files.setdefault(facts.code.co_filename, namespace)
        if self._named.get(id(facts)) != place:
            self._named[id(facts)] = place
            wanted = self._wanted[place]
            for name in facts.names:
                if name in namespace:
                    wanted[name] = namespace[name]
        at = facts.position(frame.f_lasti)
        if at[0] is None and frame.f_lineno is not None:
            at = [frame.f_lineno, *at[1:]]
        refs = None
        if facts.code.co_flags & _OPTIMIZED or frame.f_locals is not namespace:
            refs = self._values.named(_locals(frame), depth)
            if self._keeps_live:
                self._may_live(refs.values())
        else:
            every = tuple(namespace.items())
            self._wanted[place].update((name, value) for name, value in every if type(name) is str and name not in _IMPORT_SYSTEM)
        self._frames.append({"code": code_index, "globals": place, "locals": refs, "at": at})
        return index

    def _read_globals(self, depth: int) -> None:
        """Last, so that where a bound is reached the variables of all frames have come before."""
        for wanted in self._wanted:
            refs = self._values.named(wanted, depth)
            self._globals.append(refs)
            if self._keeps_live:
                self._may_live(refs.values())
        for frame, index in self._name_errors:
            self._names_for_suggestions(frame, index)

    def _names_for_suggestions(self, frame: types.FrameType, index: int) -> None:
        """A NameError's "did you mean" looks at every name in sight, also those whose values are not kept."""
        values = self._values
        table = self._globals[self._frames[index]["globals"]]
        unused = ["object", values.info(object).index, "<a global that the frame's code does not use>", None, {"why": "unused"}]
        unnamed = None
        for name in tuple(frame.f_globals):
            if type(name) is str and name not in table and name not in _IMPORT_SYSTEM:
                if unnamed is None:
                    unnamed = [values.add(unused)]
                table[name] = unnamed
        local = self._frames[index]["locals"]
        if local and "self" in local:
            values.wants_dir.add(id(_locals(frame).get("self")))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} characters in all)"


def _cut_within(text: str, most: int) -> str:
    """Its beginning and its end, which in a traceback's text have the frames and the message."""
    half = most // 2
    return text if len(text) <= most else f"{text[:half]}... ({len(text)} characters in all) ...{text[len(text) - half:]}"


def _failed_text(what: str, failed: Failed) -> str:
    """What stands for a text that could not be had: where str() raised, what Python's own tracebacks say."""
    return f"<{what} str() failed>" if failed.why.startswith("raised") else f"<str() of the {what} {failed.why}>"


def _fields(exc: BaseException, cls: type, names: tuple[str, ...]) -> dict[str, Any]:
    found = {}
    for name in names:
        descriptor = cls.__dict__.get(name)
        if descriptor is None:  # a field of a newer Python
            continue
        try:
            value = descriptor.__get__(exc)
        except (AttributeError, TypeError):  # not set
            continue
        if value is not None:
            found[name] = value
    return found


def _type_of_locals() -> type:
    return type(sys._getframe().f_locals)


_LOCALS: Final[Any] = _type_of_locals()  # a dict; from Python 3.13 on a proxy, which reads as one


def _locals(frame: types.FrameType) -> dict[str, Any]:
    namespace: Any = frame.f_locals
    if type(namespace) is dict:
        return namespace
    if type(namespace) is _LOCALS:
        return {**namespace}
    if issubclass(type(namespace), dict):  # the namespace of a class body, made by a metaclass
        return dict(dict.items(namespace))
    return {"<locals>": namespace}  # a mapping of the user's own, given to exec: reading it would run the user's code


def _text_of(exc: BaseException) -> str:
    """The traceback as text, whatever the exception's own methods do."""
    import traceback

    def text() -> str:
        return "".join(traceback.format_exception(exc))

    (result,) = run_each([text], monotonic() + 1.0)
    return f"<formatting it {result.why}>" if isinstance(result, Failed) else str(result)


def _attempt(exc: BaseException, options: Options, pool_dumps: _live.Dumps | None) -> Report:
    token = capturing.set(True)
    try:
        return _Capture(options, pool_dumps).run(exc)
    finally:
        capturing.reset(token)


def capture(exc: BaseException, options: Options, pool_dumps: _live.Dumps | None = None) -> Report:
    """The report of an exception. Never raises because of the exception or of what its frames hold.

    pool_dumps: within a pool of one machine, how it pickles; None outside. It keeps live those args and attributes of the
        exceptions that cannot be told exactly; and sources that a file holds stay where they are.
    """
    problem: BaseException
    try:
        return _attempt(exc, options, pool_dumps)
    except RecursionError:
        # little stack was left where the exception was caught; a fresh thread has all of it
        (result,) = run_each([lambda: _attempt(exc, options, pool_dumps)], monotonic() + options.max_seconds + 1.0)
        if not isinstance(result, Failed):
            return result  # type: ignore[no-any-return]
        problem = RecursionError(result.why)
    except BaseException as error:  # law 1: even a KeyboardInterrupt here must not cost the user the error itself
        problem = error
    return _with_less(exc, options, f"{type(problem).__name__}: {problem}")


def _with_less(exc: BaseException, options: Options, problem: str) -> Report:
    for depth in (1, 0):
        rung = options.replace(depth=depth, run_reprs=False, pickler=None, include_source=False)
        try:
            report = _attempt(exc, rung, None)
        except BaseException as error:  # the next rung keeps less
            problem += f"; then {type(error).__name__}: {error}"
            continue
        report["cuts"]["fallback"] = 1
        note = f"keeptrace: the capture failed ({problem}); kept at depth {rung.depth} instead"
        add_note(report, note)
        return report
    return _bare(exc, f"{_text_of(exc)}keeptrace: the capture failed ({problem})")


def add_note(report: Report, note: str) -> None:
    """Adds a note of ours to the report's exception."""
    record = report["exceptions"][0]
    notes = record.get("notes")
    old = report["values"][notes[0]][2] if type(notes) is list and report["values"][notes[0]][0] == "list" else []
    report["values"].append(["list", len(old) + 1, [*old, note]])
    record["notes"] = [len(report["values"]) - 1]


def type_only(exc: BaseException, why: str) -> Report:
    """A report that says which exception it was, and why nothing else was kept."""
    return _bare(exc, f"keeptrace: {why}")


def _bare(exc: BaseException, text: str) -> Report:
    """Type and text alone, made of nothing that could fail."""
    module, qualname = names_of(type(exc))
    builtin = next(cls for cls in mro_of(type(exc)) if id(cls) in BUILTIN_TYPES)
    record: ExceptionRecord = {
        "type": 0, "args": [0], "fields": {}, "attributes": {}, "cause": None, "context": None, "suppress": False, "traceback": [],
        "text": text,
    }  # fmt: skip
    types_ = [[module, qualname, [] if builtin is type(exc) else [1]], ["builtins", builtin.__name__, []]]
    values = [["tuple", 0, []]]
    return {
        "format": FORMAT, "python": _PYTHON, "exceptions": [record], "frames": [], "codes": [], "globals": [], "types": types_,
        "values": values, "sources": {}, "live": None, "cuts": {"fallback": 1},
    }  # fmt: skip
