"""Finds objects and functions that own or change something outside of the process.

A restore never brings such objects to life, and a capture does not pickle them as live objects.
"""

from __future__ import annotations

import functools
import io
import sys
import types
from typing import Any, Final

from .descriptors import raw_module_of, raw_mro_of, raw_name_of, raw_names_in, raw_namespace_of

# Modules with classes and functions that open, make or delete files, processes and the like.
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
# (module, name) of such classes and functions in otherwise harmless modules.
_OUTSIDE_ALSO: Final = frozenset({
    *(("weakref", "finalize"), ("threading", "Thread")),
    *(("threading", "_DummyThread"), ("_thread", "start_new_thread")),
    *(("_thread", "start_new"), ("ctypes", "CDLL"), ("ctypes", "LibraryLoader")),
    *(("_ctypes", "dlopen"), ("_ctypes", "CFuncPtr")),
    *(("codecs", "StreamWriter"), ("codecs", "StreamReader")),
    *(("codecs", "StreamReaderWriter"), ("codecs", "StreamRecoder")),
    *(("codecs", "open"), ("numpy", "memmap"), ("xmlrpc.client", "ServerProxy")),
    *(("dill._dill", "_create_filehandle"), ("dill._dill", "_create_thread_handle")),
    *(("dill._dill", "_create_capsule"), ("dill.dill", "_create_filehandle")),
    *(("dill.dill", "_create_thread_handle"), ("dill.dill", "_create_capsule")),
})  # fmt: skip
# Data, and functions of data alone, in modules of _OUTSIDE.
_INSIDE: Final = frozenset({
    *(("_io", "StringIO"), ("_io", "BytesIO"), ("os", "fspath")),
    *(("os", "PathLike"), ("posix", "fspath")),
    *(("queue", "Queue"), ("subprocess", "CompletedProcess"), ("zipfile", "ZipInfo")),
    *(("tarfile", "TarInfo"), ("sqlite3", "Row")),
})  # fmt: skip
# A library's class with such a method holds a resource. The program's own classes may use the words
# for any purpose.
_CLOSERS: Final = ("close", "shutdown", "terminate", "dispose", "disconnect", "cleanup")
# By id, because a metaclass may define the hash of its classes.
_DATA: Final = frozenset(id(cls) for cls in (BaseException, tuple, type, int, str, bytes))
_IN_MEMORY: Final = frozenset({id(io.StringIO), id(io.BytesIO)})


def _is_outside(module: str, name: str) -> bool:
    if (module, name) in _INSIDE:
        return False
    return module.partition(".")[0] in _OUTSIDE or (module, name) in _OUTSIDE_ALSO


def owns_outside(cls: type) -> bool:
    """Whether instances of the class own something outside of the process, or change something
    outside at their death.

    Such a class has a base from a module of _OUTSIDE, a file descriptor, a finalizer (which would
    run again for each copy), or is a library's class with a method for releasing a resource.
    """
    mro = raw_mro_of(cls)
    if any(id(parent) in _DATA for parent in mro):
        return False
    in_memory = any(id(parent) in _IN_MEMORY for parent in mro)
    for parent in mro[:-1]:
        module, name = _home(parent)
        if (module, name) in _INSIDE or (in_memory and module in ("_io", "io")):
            continue
        if _is_outside(module, name) or _holds_resource(raw_namespace_of(parent), module):
            return True
    return False


def _holds_resource(namespace: dict[str, Any], module: str) -> bool:
    """Whether a class has a file descriptor, a finalizer, or a library's method for releasing."""
    if "__del__" in namespace or "fileno" in namespace:
        return True
    return any(closer in namespace for closer in _CLOSERS) and _is_of_a_library(module)


def _home(cls: type) -> tuple[str, str]:
    try:
        module = raw_module_of(cls)
    except AttributeError:  # deleted from the class
        module = ""
    if type(module) is not str:
        module = ""
    return module, raw_name_of(cls)


def _is_of_a_library(name: str) -> bool:
    if name.partition(".")[0] in sys.stdlib_module_names:
        return True
    module = sys.modules.get(name)
    if type(module) is not types.ModuleType:
        return False
    file = raw_names_in(module).get("__file__")
    return type(file) is str and ("site-packages" in file or "dist-packages" in file)


def acts_outside(function: object) -> bool:
    """Whether calling a function named by a pickle would act outside of the process."""
    if type(function) is functools.partial:
        function = function.func
    owner = getattr(function, "__self__", None)
    if isinstance(owner, type):  # a class method, such as SharedMemory's for rebuilding
        function = owner
    if isinstance(function, type):
        return function not in (type, object) and owns_outside(function)
    if isinstance(function, (types.FunctionType, types.BuiltinFunctionType)):
        return _is_outside(str(function.__module__), function.__name__)
    return False
