"""Ray: tasks and actors whose exceptions arrive at the driver with their frames, variables and
original chain.

    keeptrace.concurrent.ray.init()                       # instead of ray.init(); or
    ray.init(runtime_env=runtime_env())
    try: ray.get(task.remote())
    except ValueError as error: keeptrace.post_mortem(error.cause)

- Ray raises an error of two types, its own RayTaskError and the task's. The error's `cause` is the
  restored exception, with real frames. The restored exception is also the `__cause__`, for
  tracebacks and pdb's `exceptions`.
- Each worker runs a hook of Ray's at its start. Our hook wraps RayTaskError.__init__, called for
  every exception on its way out of a task, and gives the exception a __reduce_ex__ of its own
  (concurrent/reductions.py).
- If an actor's __init__ fails, the ActorDiedError has the restored exception as `cause` and
  `__cause__`, too.
- Unpickling Ray's error calls RayTaskError(...), and RayTaskError tries to pickle the cause. So the
  restored exception keeps its bytes, and pickles again as before, also for a next task.
- We change nothing in the driver, and nothing for a successful task.
- ray.util.multiprocessing.Pool returns exceptions as values: use the Pool of this module.
- Without the hook, @keep_trace below @ray.remote does the same for a single task.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..core.errors import missing_extra
from ..core.options import Options, make_options
from ..live.keeping import bounded
from .crossing import DISTANT, set_traceback, to_bounded_bytes, traceback_of
from .engines import missing
from .reductions import attach
from .worker_frames import ENGINES, without_modules

if TYPE_CHECKING:
    from typing import Unpack

    from ..core.options import SingleOptions

try:
    import ray
    from ray import exceptions
except ImportError:
    raise missing_extra("keeptrace.concurrent.ray", "ray", "ray") from None

__all__ = ["Pool", "init", "runtime_env"]

_HOOK = "worker_process_setup_hook"


def init(*args: object, trace: Options | None = None, **kwargs: object) -> Any:
    """ray.init, for workers whose exceptions arrive with their frames.

    Takes the arguments of ray.init, with the same meaning. trace: what to keep of a failing task
    (keeptrace.Options)."""
    return ray.init(
        *args, **{**kwargs, "runtime_env": runtime_env(kwargs.get("runtime_env"), trace=trace)}
    )


def runtime_env(
    base: Any = None, *, trace: Options | None = None, **options: Unpack[SingleOptions]
) -> dict[str, Any]:
    """A runtime_env for ray.init whose workers send exceptions with their frames.

    base: a runtime_env to extend; its setup hook, if any, runs as well.
    trace: what to keep (keeptrace.Options).
    options: single fields of keeptrace.Options.

    Raises OptionError for a wrong option.
    """
    made: dict[str, Any] = dict(base or {})
    chosen = make_options(trace or DISTANT, **options)
    if not missing("ray"):
        made[_HOOK] = _hook(chosen, made.get(_HOOK))
    return made


def _hook(options: Options, other: Callable[[], object] | str | None) -> Callable[[], None]:
    def keeptrace_setup() -> None:
        prepare_worker(options)
        if isinstance(other, str):
            module, _, name = other.rpartition(".")
            getattr(importlib.import_module(module), name)()
        elif other is not None:
            other()

    return keeptrace_setup


def prepare_worker(options: Options) -> None:
    """Runs in each worker at its start."""
    if missing("ray"):
        return
    original = exceptions.RayTaskError.__init__

    @functools.wraps(original)
    def __init__(
        self: Any,
        function_name: object,
        traceback_str: object,
        cause: BaseException,
        *rest: object,
        **named: object,
    ) -> None:
        _keep(cause, options)
        original(self, function_name, traceback_str, cause, *rest, **named)
        self.as_instanceof_cause = functools.partial(_as_instance_of_cause, self)

    exceptions.RayTaskError.__init__ = __init__
    _tell_causes_of_died_actors()


def _tell_causes_of_died_actors() -> None:
    """Gives an ActorDiedError the exception of the actor's __init__ as `cause` and `__cause__`; Ray
    keeps only its text.
    """
    original = exceptions.ActorDiedError.__init__

    @functools.wraps(original)
    def __init__(self: object, cause: object = None) -> None:
        original(self, cause)
        if isinstance(cause, exceptions.RayTaskError) and isinstance(cause.cause, BaseException):
            # Unpickling sets each entry of __dict__ as an attribute, __cause__ included.
            self.__dict__.update(cause=cause.cause, __cause__=cause.cause)

    exceptions.ActorDiedError.__init__ = __init__


def _keep(exc: BaseException, options: Options) -> None:
    """Makes the exception pickle with its chain, frames and variables."""
    traceback = traceback_of(exc)
    if traceback is None:  # arrived from another task, or never raised
        return
    set_traceback(exc, without_modules(traceback, ENGINES))
    data = to_bounded_bytes(exc, options, bounded(ray.cloudpickle.CloudPickler))
    set_traceback(exc, traceback)
    attach(exc, data)


def _as_instance_of_cause(error: object) -> BaseException:
    """The driver's error of two types, made by Ray from the unpickled error."""
    told: BaseException = exceptions.RayTaskError.as_instanceof_cause(error)
    cause = getattr(told, "cause", None)
    if isinstance(cause, BaseException):
        told.__cause__ = cause
    return told


def Pool(  # named like a class, for Ray's class
    processes: int | None = None,
    initializer: Callable[..., object] | None = None,
    initargs: Any = None,
    *args: object,
    trace: Options | None = None,
    **kwargs: object,
) -> Any:
    """A ray.util.multiprocessing.Pool whose tasks' exceptions arrive with their whole chain, and
    their frames and variables.

    Takes the arguments of ray.util.multiprocessing.Pool, with the same meaning.

    trace: what to keep of a failing task (keeptrace.Options).
    """
    from ray.util import multiprocessing as engine

    return engine.Pool(
        processes,
        _prepare_pool,
        (make_options(trace or DISTANT), initializer, tuple(initargs or ())),
        *args,
        **kwargs,
    )


def _keep_what_tasks_raise(options: Options) -> None:
    from ray.util.multiprocessing import pool

    original = pool.PoolTaskError.__init__

    @functools.wraps(original)
    def __init__(self: object, underlying: BaseException) -> None:
        _keep(underlying, options)
        original(self, underlying)

    pool.PoolTaskError.__init__ = __init__


def _prepare_pool(
    options: Options, initializer: Callable[..., object] | None, initargs: tuple[Any, ...]
) -> None:
    """Runs first in each actor of a pool."""
    if not missing("ray pool"):
        _keep_what_tasks_raise(options)
    if initializer is not None:
        initializer(*initargs)
