"""What owns something outside of the process is never brought to life.

The writer asks the same questions.
"""

from __future__ import annotations

import functools
import io
import sys
import types
from typing import Any, Final

from .descriptors import raw_module_of, raw_mro_of, raw_name_of, raw_names_in, raw_namespace_of

# Modules whose classes and functions open, make or delete such things.
_OUTSIDE: Final = frozenset({
    *("_io", "_pyio", "io", "os", "posix", "nt", "shutil"),
    *("tempfile", "mmap", "_mmap", "fcntl", "pty", "signal", "_signal"),
    *("subprocess", "_posixsubprocess", "multiprocessing", "_multiprocessing"),
    *("_posixshmem", "concurrent", "asyncio", "_asyncio"),
    *("socket", "_socket", "ssl", "_ssl", "select", "selectors"),
    *("sqlite3", "_sqlite3", "dbm", "_dbm", "_gdbm", "shelve"),
    *("gzip", "bz2", "_bz2", "lzma", "_lzma", "compression"),
    *("_zstd", "zipfile", "tarfile", "fileinput", "runpy", "webbrowser"),
    *("winreg", "msvcrt", "_winapi"),
})  # fmt: skip
# (module, name) of such classes and functions in modules of which the rest is harmless.
_OUTSIDE_ALSO: Final = frozenset({
    *(("weakref", "finalize"), ("threading", "Thread")),
    *(("threading", "_DummyThread"), ("_thread", "start_new_thread")),
    *(("_thread", "start_new"), ("ctypes", "CDLL"), ("ctypes", "LibraryLoader")),
    *(("_ctypes", "dlopen"), ("_ctypes", "CFuncPtr")),
    *(("codecs", "StreamWriter"), ("codecs", "StreamReader")),
    *(("codecs", "StreamReaderWriter"), ("codecs", "StreamRecoder")),
    *(("codecs", "open"), ("numpy", "memmap"), ("xmlrpc.client", "ServerProxy")),
    *(
        ("dill._dill", name)
        for name in ("_create_filehandle", "_create_thread_handle", "_create_capsule")
    ),
    *(
        ("dill.dill", name)
        for name in ("_create_filehandle", "_create_thread_handle", "_create_capsule")
    ),
})  # fmt: skip
# Data, and what only changes data, though it comes from such a module.
_INSIDE: Final = frozenset({
    *(("_io", "StringIO"), ("_io", "BytesIO"), ("os", "fspath")),
    *(("os", "PathLike"), ("posix", "fspath")),
    *(("queue", "Queue"), ("subprocess", "CompletedProcess"), ("zipfile", "ZipInfo")),
    *(("tarfile", "TarInfo"), ("sqlite3", "Row")),
})  # fmt: skip
# A class that has one of these holds a resource, if it comes from a library: programs use the words
# for other things, too.
_CLOSERS: Final = ("close", "shutdown", "terminate", "dispose", "disconnect", "cleanup")
# By id, because the hash of a class may be its metaclass's.
_DATA: Final = frozenset(id(cls) for cls in (BaseException, tuple, type, int, str, bytes))
_IN_MEMORY: Final = frozenset({id(io.StringIO), id(io.BytesIO)})


def _is_outside(module: str, name: str) -> bool:
    if (module, name) in _INSIDE:
        return False
    return module.partition(".")[0] in _OUTSIDE or (module, name) in _OUTSIDE_ALSO


def owns_outside(cls: type) -> bool:
    """Whether instances of the class own something outside of the process, or act on it when they
    die.

    By where its classes come from; by a file descriptor; by a finalizer, which would act once more
    for each copy; and for a library's class by what releases a resource.
    """
    mro = raw_mro_of(cls)
    if any(id(parent) in _DATA for parent in mro):
        return False
    in_memory = any(id(parent) in _IN_MEMORY for parent in mro)
    for parent in mro[:-1]:
        module, name = _home(parent)
        if (module, name) in _INSIDE or (in_memory and module in ("_io", "io")):
            continue
        if _is_outside(module, name):
            return True
        namespace = raw_namespace_of(parent)
        if "__del__" in namespace or "fileno" in namespace:
            return True
        if any(closer in namespace for closer in _CLOSERS) and _is_of_a_library(module):
            return True
    return False


def _home(cls: type) -> tuple[str, str]:
    try:
        module = raw_module_of(cls)
    except AttributeError:  # deleted from the class
        module = ""
    return module if type(module) is str else "", raw_name_of(cls)


def _is_of_a_library(name: str) -> bool:
    if name.partition(".")[0] in sys.stdlib_module_names:
        return True
    module = sys.modules.get(name)
    file = raw_names_in(module).get("__file__") if type(module) is types.ModuleType else None
    return type(file) is str and ("site-packages" in file or "dist-packages" in file)


def acts_outside(function: Any) -> bool:
    """Whether calling what a pickle names would open, make or delete something outside of the
    process.
    """
    if type(function) is functools.partial:
        function = function.func
    owner = getattr(function, "__self__", None)
    if isinstance(
        owner, type
    ):  # a method of the class, such as SharedMemory's own way to be rebuilt
        function = owner
    if isinstance(function, type):
        return function not in (type, object) and owns_outside(function)
    if isinstance(function, (types.FunctionType, types.BuiltinFunctionType)):
        return _is_outside(str(function.__module__), function.__name__)
    return False
