"""Exceptions that cross as what their own class's reduction makes of them.

Some exceptions cannot be rebuilt from arguments and attributes: C code (or Rust, or Cython) of
pydantic, psycopg2 and others keeps state of their instances where Python does not see it. The
reduction of such a class, which every pickler uses, does know that state. So the exception's own
pickle travels beside the report, among the live objects.

The worker tries it first: it rebuilds the exception from that pickle, and sends the pickle only if
the class and the text are the same. Whatever fails, or takes too long, costs this pickle alone: the
restorer then makes a class of the same name."""

from __future__ import annotations

import copyreg
import functools
import pickle
import re
from typing import Any, Final, TypeAlias

from ..core.guard import Failed, run_each
from ..core.raw import mro_of
from ..core.report import ExceptionRecord, Node
from ..live.keeping import Dumps
from ..restore.classes import has_hook
from ..restore.exceptions import is_exact
from ..restore.fields import BUILTIN_TYPES, has_own_state
from .chain import Chain
from .facts import args_of
from .values import Values

# A record of a report, and the pickle of its exception.
Pickled: TypeAlias = tuple[ExceptionRecord, bytes]

# Methods by which a class says itself how it is pickled.
_HOOKS: Final = (
    "__reduce__",
    "__reduce_ex__",
    "__getstate__",
    "__setstate__",
    "__getnewargs__",
    "__getnewargs_ex__",
)
# Entries in the state of an exception that are not its class's: notes have a place of their own in
# the report, and concurrent/reductions.py gives traced functions' exceptions a __reduce_ex__.
_NOT_OWN: Final = ("__notes__", "__reduce_ex__")
# Libraries that register every class of exceptions with copyreg. Their reduction is not the class's
# own.
_REGISTER_ALL: Final = ("keeptrace.", "tblib.")
# The rebuilt exception, and what its message tells of, live at other addresses.
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]+")

_put_args: Final = BaseException.__dict__["args"].__set__


def pickled(chain: Chain, values: Values, dumps: Dumps, most: int) -> list[Pickled]:
    """The own pickles of those exceptions of a chain that need one and can be rebuilt from it.

    most: bytes of all pickles.
    """
    made: list[Pickled] = []
    if values.options.run_reprs is False:  # then no code of the user's runs
        return made
    for exc, record in zip(chain.order, chain.records):
        if not _is_wanted(exc, record, values.nodes):
            continue
        (data,) = run_each([functools.partial(_tried, exc, dumps, most)], values.deadline)
        if data is None or isinstance(data, Failed):
            continue
        most -= len(data)
        made.append((record, data))
    return made


def _is_wanted(exc: BaseException, record: ExceptionRecord, nodes: list[Node]) -> bool:
    """Whether the report may lack something of the exception that the class's own reduction has."""
    cls = type(exc)
    if id(cls) in BUILTIN_TYPES or issubclass(
        cls, BaseExceptionGroup
    ):  # a group's children come from the report
        return False
    if has_own_state(cls):
        return True
    if not has_hook(mro_of(cls), *_HOOKS):
        return False
    return not is_exact(nodes, [record["args"], *record["attributes"].values()])


def _tried(exc: BaseException, dumps: Dumps, most: int) -> bytes | None:
    """The pickle, if what is rebuilt from it is what was pickled."""
    try:
        data = dumps(_Own(exc, True), most)
    except Exception:  # an attribute that cannot be pickled; the report has the attributes
        data = dumps(_Own(exc, False), most)
    rebuilt = pickle.loads(data)
    if type(rebuilt) is not type(exc):
        return None
    _put_args(rebuilt, args_of(exc))  # as the restorer does
    return data if _text(rebuilt) == _text(exc) else None


def _text(exc: BaseException) -> str:
    return _ADDRESS.sub("0x", str(exc))


class _Own:
    """Pickles as the exception would without keeptrace, whatever is registered for it."""

    def __init__(self, exc: BaseException, with_state: bool) -> None:
        self._exc = exc
        self._with_state = with_state

    def __reduce_ex__(self, protocol: Any) -> Any:
        reduced = _reduction_of(self._exc, protocol)
        if type(reduced) is not tuple or len(reduced) < 3 or type(reduced[2]) is not dict:
            return reduced
        if not self._with_state:
            return reduced[:2]
        state = {name: value for name, value in reduced[2].items() if name not in _NOT_OWN}
        return (*reduced[:2], state or None, *reduced[3:])


def _reduction_of(exc: BaseException, protocol: Any) -> Any:
    cls: Any = type(exc)
    registered = copyreg.dispatch_table.get(cls)
    if registered is not None and not (getattr(registered, "__module__", None) or "").startswith(
        _REGISTER_ALL
    ):
        return registered(exc)
    return cls.__reduce_ex__(exc, protocol)
