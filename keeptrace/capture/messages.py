"""The texts of exceptions and notes, where a reader could not make the text from the report.

A report needs a message if the exception's class has its own __str__, or an argument is a stand-in.
The user's code runs last, under guard, after the reading of everything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from ..core.clock import monotonic
from ..core.guard import Failed, run_each
from ..core.nodes import extra_of, items_of, kind_of, put_extra
from ..core.options import Options
from ..core.raw import attribute_of, class_attribute, mro_of, namespace_of, qualname_of
from ..core.report import ExceptionRecord, Node, Ref
from ..restore.exactness import is_exact
from .facts import ExceptionFacts, args_of, dict_of, notes_of, own_entries, state_of
from .lazy import holds_lazy
from .losses import Losses
from .reprs import NeedsUserCode, Renderer
from .values import Values

_T = TypeVar("_T")

# Classes of large arguments: str() of the exception must not format a whole large argument.
_LARGE: Final = (bytes, bytearray, list, tuple, dict, set, frozenset)
# Messages of these classes name a place in the argument, and do not contain the argument.
_TELLS_A_PLACE: Final = (UnicodeDecodeError, UnicodeEncodeError, UnicodeTranslateError)
# The fields read by the __str__ of a C type, beside args. A type without an entry reads all.
_READ_BY_STR: Final[dict[type, tuple[str, ...]]] = {
    **dict.fromkeys((StopIteration, SystemExit, AttributeError, NameError), ()),
    ImportError: ("msg",),
}
# Formatting a traceback as text may take so long. (seconds)
_MOST_TEXT_SECONDS: Final = 1.0


class Messages:
    """Records the messages of the exceptions of one capture."""

    def __init__(self, options: Options, values: Values, losses: Losses) -> None:
        self._options = options
        self._values = values
        self._losses = losses
        self._waiting: list[tuple[BaseException, ExceptionRecord, ExceptionFacts]] = []

    def want(self, exc: BaseException, record: ExceptionRecord, facts: ExceptionFacts) -> None:
        """Notes an exception. read() decides whether the report needs its message."""
        self._waiting.append((exc, record, facts))

    def read(self) -> None:
        """Records the messages, or leaves them to values.finish()."""
        for exc, record, facts in self._waiting:
            try:
                self._message(exc, record, facts)
            except BaseException as problem:  # costs this message
                self._losses.count(problem)
                record["str"] = _failed_text("exception", Failed("raised"))
            try:
                self._note_objects(exc, record)
            except BaseException as problem:  # costs str() of these notes; stand-ins remain
                self._losses.count(problem)

    def _message(self, exc: BaseException, record: ExceptionRecord, facts: ExceptionFacts) -> None:
        """Records str(exc), unless a restorer can make the text from the report."""
        nodes = self._values.nodes
        told = facts.has_str
        fields = _fields_told(facts, record["fields"])
        is_made_again = not told and is_exact(nodes, [record["args"], *fields])
        if is_made_again and not self._shows_repr_of_exception(record, facts):
            return
        if not told and self._plain_message(exc, facts, record):
            return
        if any("__keeptrace_str__" in namespace_of(cls) for cls in facts.mro):
            record["str"] = str(exc)  # an earlier report recorded the text
        elif self._may_run(self._held_by(exc, facts)):
            self._run_message(exc, record, told)
        else:
            record["str"] = self._without_running(exc, facts)

    def _shows_repr_of_exception(self, record: ExceptionRecord, facts: ExceptionFacts) -> bool:
        """Whether the message has the repr of an exception, which may be of the program's class.

        The message of an exception with a single exception as argument is that one's own message.
        """
        if facts.is_group:
            return False
        nodes = self._values.nodes
        waiting = _parts_at(nodes, record["args"])
        if len(waiting) == 1 and KeyError not in facts.mro:
            waiting = _parts_at(nodes, waiting[0])
        seen: set[int] = set()
        while waiting:
            ref = waiting.pop()
            if type(ref) is list and ref[0] not in seen:
                seen.add(ref[0])
                if kind_of(nodes[ref[0]]) == "exception":
                    return True
                waiting += _parts_at(nodes, ref)
        return False

    def _may_run(self, values: list[Any]) -> bool:
        """Whether code may run to format these values; capture/lazy.py explains the default."""
        runs = self._options.run_reprs
        if runs is None:
            return not holds_lazy(values)
        return runs

    def _held_by(self, exc: BaseException, facts: ExceptionFacts) -> list[Any]:
        arguments = args_of(exc)
        if facts.is_group:
            arguments = arguments[:1]
        held = [*arguments, *own_entries(dict_of(exc)).values()]
        if facts.state is not None:
            held += _fields_told(facts, state_of(exc, *facts.state))
        for _, read in facts.slots:
            try:
                held.append(read(exc))
            except AttributeError:  # a slot without a value
                continue
        return held

    def _run_message(self, exc: BaseException, record: ExceptionRecord, told: bool) -> None:
        most = self._options.max_message

        def use(result: Any) -> None:
            if isinstance(result, Failed):
                result = _failed_text("exception", result)
            record["str"] = result

        sizes = [len(arg) for arg in args_of(exc) if type(arg) in _LARGE]
        is_large = max(sizes, default=0) > most
        if is_large and not told and not issubclass(type(exc), _TELLS_A_PLACE):
            self._values.later(lambda: self._of_large(exc), use)
        else:
            self._values.later(lambda: _cut(str(exc), most), use)

    def _without_running(self, exc: BaseException, facts: ExceptionFacts) -> str:
        """The result of str(), made without the program's code if possible; else a description."""
        renderer = Renderer(self._options.max_message, False)
        arguments = args_of(exc)
        name = qualname_of(type(exc))
        if facts.has_str:
            function = class_attribute(facts.mro, "__str__")
            text = renderer.followed(function, exc)
            if text is not None:
                return text
        elif not _fields_tell(facts) and not issubclass(type(exc), (KeyError, BaseExceptionGroup)):
            if len(arguments) != 1:
                return renderer(arguments)
            return renderer.string(arguments[0])
        return f"<{name}: its str() was not run; its arguments are {renderer(arguments)}>"

    def _of_large(self, exc: BaseException) -> str:
        """The beginning of str(exc). The whole would take several times the argument's memory."""
        renderer = Renderer(self._options.max_message, True)
        return renderer.with_user_code(_shown_by_str(args_of(exc)))

    def _plain_message(
        self, exc: BaseException, facts: ExceptionFacts, record: ExceptionRecord
    ) -> bool:
        """Records the result of BaseException.__str__, unless the result needs the user's code."""
        arguments = args_of(exc)
        if _fields_tell(facts) or not arguments:
            return False
        if issubclass(type(exc), (KeyError, BaseExceptionGroup)):
            return False  # their __str__ in C reads more than args
        value = _shown_by_str(arguments)
        _, text_of = attribute_of(mro_of(type(value)), "__str__")
        if text_of is not object.__str__:
            return False
        try:
            record["str"] = Renderer(self._options.max_message, True)(value)
        except NeedsUserCode:
            return False
        return True

    def _note_objects(self, exc: BaseException, record: ExceptionRecord) -> None:
        """Records str() of each note of another class: tracebacks show str(note)."""
        notes = notes_of(exc)
        if type(notes) not in (list, tuple):
            return
        nodes = self._values.nodes
        for note, ref in zip(notes, items_of(nodes[record["notes"][0]])):
            if type(ref) is not list:
                continue
            node = nodes[ref[0]]
            if kind_of(node) == "object" and "str" not in extra_of(node):
                self._note_object(note, node)

    def _note_object(self, note: object, node: Node) -> None:
        def use(result: object) -> None:
            if isinstance(result, Failed):
                result = _failed_text("note", result)
            put_extra(node, "str", result)

        most = self._options.max_message
        if self._may_run([note]):
            self._values.later(lambda: _cut(str(note), most), use)
        else:
            use(Renderer(most, False).string(note))


def _shown_by_str(arguments: tuple[Any, ...]) -> object:
    """The object in BaseException.__str__: the only argument, or the tuple of all arguments."""
    if len(arguments) == 1:
        return arguments[0]
    return arguments


def _fields_tell(facts: ExceptionFacts) -> bool:
    """Whether the __str__ of the C type reads more than args."""
    return facts.state is not None and _READ_BY_STR.get(facts.state[0]) != ()


def _fields_told(facts: ExceptionFacts, fields: Mapping[str, _T]) -> list[_T]:
    """The fields read by the __str__ of the C type."""
    if facts.state is None:
        return []
    names = _READ_BY_STR.get(facts.state[0], fields)
    return [fields[name] for name in names if name in fields]


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return f"{text[:most]}... ({len(text)} characters in all)"


def _failed_text(what: str, failed: Failed) -> str:
    """The text in place of a failed str(): Python's own text, if str() raised."""
    if failed.why.startswith("raised"):
        return f"<{what} str() failed>"
    return f"<str() of the {what} {failed.why}>"


def traceback_text(exc: BaseException) -> str:
    """The traceback as text, even if methods of the exception raise or hang."""
    import traceback

    def text() -> str:
        return "".join(traceback.format_exception(exc))

    (result,) = run_each([text], monotonic() + _MOST_TEXT_SECONDS)
    if isinstance(result, Failed):
        return f"<formatting it {result.why}>"
    return str(result)


def message_text(exc: BaseException) -> str | None:
    """str(exc); None if it raises or hangs."""
    (result,) = run_each([lambda: str(exc)], monotonic() + _MOST_TEXT_SECONDS)
    if isinstance(result, Failed):
        return None
    return str(result)


def cut_within(text: str, most: int) -> str:
    """The beginning and the end of a traceback's text, which has the message at the end."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}... ({len(text)} characters in all) ...{text[len(text) - half :]}"


def _parts_at(nodes: list[Node], ref: Ref) -> list[Ref]:
    """The elements, keys and values of the container at a ref; none of other values."""
    if type(ref) is not list:
        return []
    return list(items_of(nodes[ref[0]]))
