"""The picklers of live objects: pickle's, cloudpickle's and dill's. Each replaces an object that
must stay outside by a stand-in.
"""

from __future__ import annotations

import importlib
import io
import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..core.errors import missing_extra
from .outside import is_outside, reduced

if TYPE_CHECKING:
    from typing import Protocol

    class Pickler(Protocol):
        """A pickler, made with its output file."""

        def dump(self, obj: object, /) -> object: ...


class _OfPickle(pickle.Pickler):
    def reducer_override(self, obj: object) -> Any:
        if is_outside(obj):
            return reduced(obj)
        return NotImplemented


def _of_cloudpickle(module: Any) -> Callable[[io.BytesIO], Pickler]:
    class OfCloudpickle(module.Pickler):  # type: ignore[misc]  # known at run time alone
        def reducer_override(self, obj: object) -> object:
            if is_outside(obj):
                return reduced(obj)
            return super().reducer_override(obj)

    return OfCloudpickle


def pickler_of(name: str) -> Callable[[io.BytesIO], Pickler]:
    """The pickler class for the name of a module in Options.pickler.

    Raises MissingExtraError if the library is not installed.
    """
    if name == "pickle":
        return _OfPickle
    try:
        if name == "cloudpickle":
            return _of_cloudpickle(importlib.import_module(name))
        from .dill import Pickler as OfDill
    except ImportError:
        raise missing_extra(f"pickler={name!r}", name, name) from None
    return OfDill
