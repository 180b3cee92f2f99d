"""Exceptions that keep their frames when they leave the process that raised them.

Pools are in keeptrace.concurrent. The names below are imported at their first use, because every
worker imports the package, too."""

from __future__ import annotations

from .core import shadows as _shadows

TYPE_CHECKING = False  # `typing` itself may be shadowed
if TYPE_CHECKING:  # the same names as in _HOMES, for type checkers
    from . import concurrent as concurrent
    from . import middleware as middleware
    from .capture.summarise import summarise as summarise
    from .core.context import context as context
    from .core.errors import DumpError as DumpError
    from .core.errors import KeepTraceError as KeepTraceError
    from .core.errors import MissingExtraError as MissingExtraError
    from .core.errors import OptionError as OptionError
    from .core.errors import ProcessDied as ProcessDied
    from .core.hold import Hold as Hold
    from .core.options import Options as Options
    from .core.redaction import Redaction as Redaction
    from .debug import post_mortem as post_mortem
    from .format.api import dump as dump
    from .format.api import dumps as dumps
    from .format.api import load as load
    from .format.api import loads as loads
    from .format.pickling import init as init
    from .format.snapshot import snapshot as snapshot
    from .grouping import Difference as Difference
    from .grouping import FailureGroup as FailureGroup
    from .grouping import FailureGroups as FailureGroups
    from .grouping import group as group
    from .hold.attaching import attach as attach
    from .hold.listing import HeldFailure as HeldFailure
    from .hold.listing import held as held
    from .hold.listing import release as release
    from .hooks import install as install
    from .hooks import on_error as on_error
    from .hooks import uninstall as uninstall
    from .ipython import load_ipython_extension as load_ipython_extension
    from .ipython import unload_ipython_extension as unload_ipython_extension
    from .log_handler import LoggingHandler as LoggingHandler
    from .snapshots.groups import Snapshot as Snapshot
    from .snapshots.groups import TaskStack as TaskStack
    from .snapshots.groups import ThreadStack as ThreadStack
    from .store import Store as Store
    from .textlog import parse_tracebacks as parse_tracebacks

_shadows.protect()

__version__ = "0.1.0"

_HOMES = {
    "attach": "hold.attaching",
    "context": "core.context",
    "dump": "format.api",
    "dumps": "format.api",
    "group": "grouping",
    "held": "hold.listing",
    "init": "format.pickling",
    "install": "hooks",
    "load": "format.api",
    "load_ipython_extension": "ipython",
    "loads": "format.api",
    "on_error": "hooks",
    "post_mortem": "debug",
    "release": "hold.listing",
    "Difference": "grouping",
    "DumpError": "core.errors",
    "FailureGroup": "grouping",
    "FailureGroups": "grouping",
    "HeldFailure": "hold.listing",
    "Hold": "core.hold",
    "KeepTraceError": "core.errors",
    "LoggingHandler": "log_handler",
    "MissingExtraError": "core.errors",
    "OptionError": "core.errors",
    "Options": "core.options",
    "ProcessDied": "core.errors",
    "Redaction": "core.redaction",
    "Snapshot": "snapshots.groups",
    "Store": "store",
    "TaskStack": "snapshots.groups",
    "ThreadStack": "snapshots.groups",
    "parse_tracebacks": "textlog",
    "snapshot": "format.snapshot",
    "summarise": "capture.summarise",
    "uninstall": "hooks",
    "unload_ipython_extension": "ipython",
}
__all__ = [
    "Difference",
    "DumpError",
    "FailureGroup",
    "FailureGroups",
    "HeldFailure",
    "Hold",
    "KeepTraceError",
    "LoggingHandler",
    "MissingExtraError",
    "OptionError",
    "Options",
    "ProcessDied",
    "Redaction",
    "Snapshot",
    "Store",
    "TaskStack",
    "ThreadStack",
    "__version__",
    "attach",
    "context",
    "dump",
    "dumps",
    "group",
    "held",
    "init",
    "install",
    "load",
    "load_ipython_extension",
    "loads",
    "on_error",
    "parse_tracebacks",
    "post_mortem",
    "release",
    "snapshot",
    "summarise",
    "uninstall",
    "unload_ipython_extension",
]

if not TYPE_CHECKING:  # type checkers shall report an unknown name
    from .core.exports import lazy_names

    __getattr__, __dir__ = lazy_names(__name__, _HOMES, modules=("concurrent", "middleware"))
