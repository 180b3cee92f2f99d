"""install(), for the DataLoaders of libraries: our iterators replace torch's, and the iterator of
torchdata's StatefulDataLoader, in their modules.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import torch.utils.data.dataloader as engine

from ...core.hold import Hold, make_holding
from ...core.options import Options, make_options
from ...hooks.importing import when_imported
from ..engines import missing
from ..foreign import Way
from .loader import iterator_class

if TYPE_CHECKING:
    from types import ModuleType

STATEFUL: Final = "torchdata.stateful_dataloader.stateful_dataloader"
# module → the name of its iterator over workers, and the kind in the tables of engines.py
_ITERATORS: Final = {
    engine.__name__: ("_MultiProcessingDataLoaderIter", "torch"),
    STATEFUL: ("_StatefulMultiProcessingDataLoaderIter", "torchdata"),
}

_way: Way | None = None
_originals: Final[dict[str, tuple[Any, type]]] = {}  # module's name → the module, its own iterator


def install(*, trace: Options | None = None, hold: Hold | bool | None = None) -> None:
    """Makes every DataLoader of the process a keeptrace.concurrent.torch.DataLoader, also those of
    libraries: Lightning, Transformers' Trainer, timm. Covers torchdata's StatefulDataLoader, too.

    trace: what to keep of a failure (keeptrace.Options).
    hold: True or a keeptrace.Hold keeps a copy of the worker alive at a failure, for
        keeptrace.attach().

    Iterators already running stay unchanged. A second call changes the options. Raises OptionError
    for a wrong option.
    """
    global _way
    was_installed = _way is not None
    _way = Way(make_options(trace), make_holding(hold))
    replace_iterator(engine)
    module = sys.modules.get(STATEFUL)
    waits_already = module is None and was_installed
    if not waits_already and not _is_loading(module):
        when_imported({STATEFUL: replace_iterator})


def uninstall() -> None:
    """Undoes install(), for all later iterators of DataLoaders."""
    global _way
    _way = None
    for home, (module, original) in _originals.items():
        setattr(module, _ITERATORS[home][0], original)


def _is_loading(module: object) -> bool:
    """Whether a module's import has not ended: torchdata imports torch, whose import may bring us
    here.
    """
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


def replace_iterator(module: ModuleType) -> None:
    """Puts our iterator in the place of a module's own, if install() was called."""
    name, kind = _ITERATORS[module.__name__]
    if _way is None or missing(kind):
        return
    _, original = _originals.setdefault(module.__name__, (module, getattr(module, name)))
    setattr(module, name, iterator_class(_way, original))
