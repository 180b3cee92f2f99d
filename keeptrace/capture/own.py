"""Exceptions that cross as pickles made by their own class's reduction.

Some exceptions cannot be rebuilt from arguments and attributes: C, Rust or Cython code of pydantic,
psycopg2 and other libraries keeps hidden state. Every pickler uses the class's own reduction, which
knows the state. So the exception's own pickle travels beside the report, among the live objects.

The worker first rebuilds the exception from the pickle, and sends the pickle only if class and text
stay the same. A failure or a slow rebuilding costs this pickle alone: the restorer then makes a
class of the same name.
"""

from __future__ import annotations

import copyreg
import functools
import pickle
import re
from typing import Any, Final, TypeAlias

from ..core.guard import Failed, run_each
from ..core.raw import mro_of
from ..core.report import ExceptionRecord, Node
from ..live.keeping import ReportDumps
from ..restore.classes import has_hook
from ..restore.constants import PICKLING
from ..restore.exactness import is_exact
from ..restore.fields import BUILTIN_TYPES, has_own_state
from .chain import Chain
from .facts import args_of
from .values import Values

# A record of a report, and the pickle of its exception.
Pickled: TypeAlias = tuple[ExceptionRecord, bytes]

# Foreign entries in an exception's state: the report has its own place for notes, and
# concurrent/reductions.py adds a __reduce_ex__ to exceptions of traced functions.
_NOT_OWN: Final = ("__notes__", "__reduce_ex__")
# These libraries register a reduction for every exception with copyreg. Their functions are not the
# class's own reduction.
_REGISTER_ALL: Final = ("keeptrace.", "tblib.")
# The rebuilt exception and its parts have other addresses.
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]+")

_put_args: Final = BaseException.__dict__["args"].__set__


def pickled(chain: Chain, values: Values, dumps: ReportDumps, most: int) -> list[Pickled]:
    """The own pickles of a chain's exceptions, for those that need one and can be rebuilt from it.

    most: bytes of all pickles.
    """
    made: list[Pickled] = []
    if values.options.run_reprs is False:  # the user's code must not run
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
    """Whether the class's own reduction may have more state than the report."""
    cls = type(exc)
    if id(cls) in BUILTIN_TYPES:
        return False
    if issubclass(cls, BaseExceptionGroup):  # children come from the report
        return False
    if has_own_state(cls):
        return True
    if not has_hook(mro_of(cls), *PICKLING):
        return False
    return not is_exact(nodes, [record["args"], *record["attributes"].values()])


def _tried(exc: BaseException, dumps: ReportDumps, most: int) -> bytes | None:
    """The pickle, if rebuilding gives an exception of the same class and text."""
    try:
        data = dumps(_Own(exc, True), most)
    except Exception:  # an attribute cannot be pickled; the report has the attributes
        data = dumps(_Own(exc, False), most)
    rebuilt = pickle.loads(data)
    if type(rebuilt) is not type(exc):
        return None
    _put_args(rebuilt, args_of(exc))  # as the restorer does
    if _text(rebuilt) == _text(exc):
        return data
    return None


def _text(exc: BaseException) -> str:
    return _ADDRESS.sub("0x", str(exc))


class _Own:
    """Pickles the exception as if keeptrace were absent."""

    def __init__(self, exc: BaseException, with_state: bool) -> None:
        self._exc = exc
        self._with_state = with_state

    def __reduce_ex__(self, protocol: object) -> str | tuple[Any, ...]:
        reduced = _reduction_of(self._exc, protocol)
        if type(reduced) is not tuple or len(reduced) < 3:
            return reduced
        call, args, state, *more = reduced
        if type(state) is not dict:
            return reduced
        if not self._with_state:
            return call, args
        own = {name: value for name, value in state.items() if name not in _NOT_OWN}
        return (call, args, own or None, *more)


def _reduction_of(exc: BaseException, protocol: object) -> str | tuple[Any, ...]:
    cls: Any = type(exc)
    registered = copyreg.dispatch_table.get(cls)
    module = getattr(registered, "__module__", None) or ""
    if registered is not None and not module.startswith(_REGISTER_ALL):
        return registered(exc)
    reduced: str | tuple[Any, ...] = cls.__reduce_ex__(exc, protocol)
    return reduced
