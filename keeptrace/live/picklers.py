"""The picklers of live objects: pickle's, cloudpickle's and dill's, each made to keep what must
stay outside as a stand-in.
"""

from __future__ import annotations

import importlib
import pickle
from typing import Any

from ..core.errors import missing_extra
from .outside import is_outside, reduced


class _OfPickle(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        return reduced(obj) if is_outside(obj) else NotImplemented


def _of_cloudpickle(module: Any) -> Any:
    class OfCloudpickle(module.Pickler):  # type: ignore[misc]  # known at run time alone
        def reducer_override(self, obj: Any) -> Any:
            return reduced(obj) if is_outside(obj) else super().reducer_override(obj)

    return OfCloudpickle


def pickler_of(name: str) -> Any:
    """The pickler class of a module that Options.pickler names.

    Raises MissingExtraError if the library is not installed.
    """
    if name == "pickle":
        return _OfPickle
    try:
        if name == "cloudpickle":
            return _of_cloudpickle(importlib.import_module(name))
        from .dill import Pickler
    except ImportError:
        raise missing_extra(f"pickler={name!r}", name, name) from None
    return Pickler
