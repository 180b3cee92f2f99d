"""PyTorch: exceptions of DataLoader workers and of started ranks arrive with their frames,
variables and original chain.

    wrappers.py     how an exception crosses from a DataLoader's worker, or from its own thread
    worker.py       runs in a DataLoader's worker
    loader.py       DataLoader: the iterator that starts the workers
    installing.py   install(), uninstall()
    ranks.py        spawn(), start_processes()
    recording.py    record(), for torchrun
"""

from __future__ import annotations

from ...core.errors import missing_extra

try:
    import torch.utils.data  # noqa: F401  # for the modules below
except ImportError:
    raise missing_extra("keeptrace.concurrent.torch", "torch", "torch") from None

from .installing import install, uninstall
from .loader import DataLoader, DataLoaderWorkerDied
from .ranks import KeepTraceProcessContext, spawn, start_processes
from .recording import record

__all__ = [
    "DataLoader",
    "DataLoaderWorkerDied",
    "KeepTraceProcessContext",
    "install",
    "record",
    "spawn",
    "start_processes",
    "uninstall",
]
