"""loky's own start method, where joblib is imported as well."""

from __future__ import annotations

import multiprocessing.context
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from absent import absent


@contextmanager
def own_loky() -> Iterator[None]:
    """loky's workers are loky's.

    joblib brings a copy of loky. Both register themselves with multiprocessing as "loky", and the
    last one imported serves both: loky's workers would be those of joblib, and would import joblib
    and numpy. Nor do they import psutil, which looks for leaks once a second.
    """
    from loky.backend import context

    ours = {"loky": context.LokyContext(), "loky_init_main": context.LokyInitMainContext()}
    with mock.patch.dict(multiprocessing.context._concrete_contexts, ours):  # type: ignore[attr-defined]
        with absent("psutil"):
            yield
