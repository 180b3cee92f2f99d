"""Policies: which names a restore may look up in its process."""

from __future__ import annotations

import builtins
import sys
import types
from typing import Any, Final

from .descriptors import raw_names_in


class Policy:
    """Which names a restore may look up in its process.

    BUILTINS: only builtins, for untrusted data (keeptrace.load).
    LOADED: also loaded modules, but no imports: for text.
    KNOWN: also the standard library: for pickle.load, whose data is trusted.
    POOL, LIVE: also imports, and functions by name: the same program runs at both ends.
    """

    __slots__ = ("imports", "load_live", "lookups", "standard", "truthy")

    def __init__(
        self,
        lookups: bool,
        imports: bool,
        truthy: bool = False,
        load_live: bool = True,
        standard: bool = True,
    ) -> None:
        self.lookups: bool = lookups
        self.standard: bool = standard  # the standard library may be imported
        self.imports: bool = imports
        # bool() of every exception must be True: a future takes a false exception for no exception.
        self.truthy: bool = truthy
        self.load_live: bool = load_live

    @property
    def trusts(self) -> bool:
        """Whether the data may run the program's code (live objects, hooks of classes), like the
        data of plain pickle.load.
        """
        return self.load_live

    def module(self, name: str) -> types.ModuleType | None:
        if name == "builtins":
            return builtins
        if not self.lookups:
            return None
        found = sys.modules.get(name)
        is_standard = name.partition(".")[0] in sys.stdlib_module_names
        may_import = self.imports or (self.standard and is_standard)
        if found is None and may_import and may_import_module(name):
            try:
                __import__(name)
            except (Exception, SystemExit):  # absent or broken here: new types replace the module's
                return None
            found = sys.modules.get(name)
        if issubclass(type(found), types.ModuleType):
            return found
        return None

    def find(self, module: str, qualname: str) -> object:
        """The object of a qualified name, without running hooks of classes; None if absent.

        Where modules may be imported, a module without the name is asked, as by pickle: some
        modules load names only then.
        """
        if not self.lookups:
            if module == "builtins":
                return _HARMLESS.get(qualname)
            return None
        found: Any = self.module(module)
        if "." not in qualname and type(found) is types.ModuleType:  # as most names
            return self._in_module(found, qualname)
        for part in qualname.split("."):
            if type(found) is types.ModuleType or issubclass(type(found), types.ModuleType):
                found = self._in_module(found, part)
            elif isinstance(found, type):
                found = type.__dict__["__dict__"].__get__(found).get(part)
            else:
                return None
        return found

    def _in_module(self, module: types.ModuleType, name: str) -> object:
        names = raw_names_in(module)
        if name in names or not self.imports:
            return names.get(name)
        try:
            return getattr(module, name, None)
        except (Exception, SystemExit):  # its __getattr__ fails: a new type replaces the module's
            return None

    def function(self, module: str, qualname: str) -> object:
        """The function of this name, if the same program runs at both ends or the function is
        harmless; else None.
        """
        if self.imports and module in sys.modules:
            found = self.find(module, qualname)
        elif module == "builtins":
            found = _HARMLESS.get(qualname)
        else:
            return None
        if isinstance(found, (types.FunctionType, types.BuiltinFunctionType)):
            return found
        return None


# Builtin functions that only read or print their arguments. Tools call some attributes of shown
# objects (_render_traceback_, __tracebackhide__), so dangerous functions (exec, open, getattr)
# become stand-ins.
_HARMLESS_FUNCTIONS: Final = (
    *("abs", "all", "any", "ascii", "bin", "callable", "chr", "divmod", "format", "hash", "hex"),
    *("id", "isinstance", "issubclass", "iter", "len", "max", "min", "next", "oct", "ord", "pow"),
    *("print", "repr", "round", "sorted", "sum"),
)
# Programs add names to builtins, and `builtins.__loader__` imports: neither is a builtin class.
BUILTIN_CLASSES: Final = {
    name: found
    for name, found in vars(builtins).items()
    if isinstance(found, type) and found.__module__ == "builtins" and not name.startswith("__")
}
# The objects that data may name although look-ups in modules are off. None of them leads to further
# names.
_HARMLESS: Final[dict[str, Any]] = {
    **BUILTIN_CLASSES,
    **{
        name: vars(builtins)[name]
        for name in _HARMLESS_FUNCTIONS
        if type(vars(builtins).get(name)) is types.BuiltinFunctionType
    },
}
# Modules and packages of the standard library with visible effects of the import.
_NEVER_IMPORTED: Final = frozenset(
    {"antigravity", "this", "__main__", "__mp_main__", "idlelib", "turtle"}
)


def may_import_module(name: str) -> bool:
    """Whether importing the module only defines names: a package's __main__ is a program."""
    return name.partition(".")[0] not in _NEVER_IMPORTED and not name.endswith(".__main__")


BUILTINS: Final = Policy(lookups=False, imports=False, load_live=False)
LOADED: Final = Policy(lookups=True, imports=False, load_live=False, standard=False)
KNOWN: Final = Policy(lookups=True, imports=False)
POOL: Final = Policy(lookups=True, imports=True, truthy=True)
LIVE: Final = Policy(lookups=True, imports=True)


def is_plainly_loaded(name: object) -> bool:
    """Whether `__import__(name)` gives a loaded module without a `__dir__` of its own."""
    if type(name) is not str:
        return False
    parts = name.split(".")
    modules = [sys.modules.get(".".join(parts[: count + 1])) for count in range(len(parts))]
    return all(
        type(module) is types.ModuleType and "__dir__" not in raw_names_in(module)
        for module in modules
    )
