"""A dump's facts about the writing process: command line, directory, user, versions, memory.

- dump() reads the facts, not the capture: a pool reads no facts.
- No module is imported and no code of the program runs: a version is the text `__version__` in a
  loaded module's own namespace, else the name of a `.dist-info` directory beside the module. A
  process lists each directory once, and reads nothing else from a disk.
- The system is not asked for a user's name: a directory service may take any time.
- An unknown fact is absent. Every text is bounded, and redacted like all texts.
"""

from __future__ import annotations

import functools
import os
import re
import sys
import time
import types
from collections.abc import Callable
from typing import Any, Final

from ..core.processes import resident, start_of
from ..core.raw import module_dict
from ..core.report import Ref, Report
from ..core.texts import shorten

# Longer command lines are data. (characters a fact)
_MOST: Final = 2_000
# More packages than in a traceback of a large service. (packages)
_MOST_PACKAGES: Final = 50
# More directories of packages than most processes have. (directories)
_MOST_DIRECTORIES: Final = 20
_INSTALLED: Final = ".dist-info"
# An argument that no shell changes, as in shlex.quote(). shlex is costly to import.
_PLAIN: Final = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
# Special characters for a shell, also within double quotes.
_SPECIAL: Final = re.compile(r'["\\$`]')
_ESCAPED: Final = r"\\\g<0>"
_USER_NAMES: Final = ("LOGNAME", "USER", "USERNAME")
# The names in a directory of packages, at the time of the first dump.
_listed: Final[dict[str, list[str]]] = {}


def facts_of_process(report: Report) -> dict[str, Ref]:
    """The facts by name: texts and numbers. Never raises because of the system.

    report: the frames of the report show the packages.
    """
    found: dict[str, Ref] = {}
    for name, read in _FACTS.items():
        try:
            fact = read(report)
        except Exception:  # law 1: an unknown fact must not cost the dump
            continue
        if isinstance(fact, str):
            fact = shorten(fact, _MOST)
        if fact:
            found[name] = fact
    return found


def _command(report: Report) -> str:
    return " ".join(map(_quoted, sys.orig_argv))


def _quoted(argument: str) -> str:
    """An argument for a shell, in a pair of quotes: redaction sees a single value within quotes."""
    if _PLAIN.fullmatch(argument):
        return argument
    if "'" not in argument:
        return f"'{argument}'"
    return f'"{_SPECIAL.sub(_ESCAPED, argument)}"'


def _directory(report: Report) -> str:
    return os.getcwd()


def _user(report: Report) -> str:
    told = []
    if hasattr(os, "getuid"):
        told.append(f"uid {os.getuid()}")
    for name in _USER_NAMES:
        user = os.environ.get(name)
        if user:
            told.append(f"{name} {user}")
            break
    return ", ".join(told)


def _system(report: Report) -> str:
    if not hasattr(os, "uname"):
        return sys.platform
    system = os.uname()
    return f"{system.sysname} {system.release} {system.machine}"


def _interpreter(report: Report) -> str:
    return f"{sys.implementation.name} {' '.join(sys.version.split())}"


def _executable(report: Report) -> str:
    return sys.executable


@functools.cache  # by number, because a forked process has a different start
def _start_of(pid: int) -> int | None:
    return start_of(pid)


def _uptime(report: Report) -> float | None:
    """Seconds since the process began."""
    start = _start_of(os.getpid())
    if start is None:
        return None
    since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
    return round(since_boot - start / os.sysconf("SC_CLK_TCK"), 1)


def _memory(report: Report) -> int:
    """Bytes of resident memory."""
    return resident(os.getpid())


# -- versions


def _packages(report: Report) -> str:
    """The packages with frames in the report, and their versions."""
    found: dict[str, str] = {}
    directories = [os.path.dirname(code["file"]) for code in report["codes"]]
    for directory in dict.fromkeys(directories):
        package = _package_of(directory)
        if package is None:
            continue
        name, home = package
        if name not in found:
            found[name] = _version_of(name, home)
        if len(found) == _MOST_PACKAGES:
            break
    told = [f"{name} {version}" for name, version in sorted(found.items()) if version]
    return ", ".join(told)


def _package_of(directory: str) -> tuple[str, str] | None:
    """The name and the directory of the outermost loaded package around a directory; None for the
    standard library, and for modules outside of packages.
    """
    parts = directory.split(os.sep)
    for at, part in enumerate(parts, 1):
        file = _namespace_of(part).get("__file__")
        if type(file) is not str:
            continue
        home = os.path.dirname(file)
        if home.split(os.sep) == parts[:at]:
            if part in sys.stdlib_module_names:
                return None
            return part, home
    return None


def _namespace_of(module: str) -> dict[str, Any]:
    """The namespace of a loaded module; empty if absent. Lazy modules stay unloaded."""
    home = sys.modules.get(module)
    if issubclass(type(home), types.ModuleType):
        return module_dict(home)  # type: ignore[no-any-return]  # a module has a dict
    return {}


def _version_of(name: str, directory: str) -> str:
    version = _namespace_of(name).get("__version__")
    if type(version) is str:
        return version
    for each in _installed_in(os.path.dirname(directory)):
        distribution, _, told = each.removesuffix(_INSTALLED).partition("-")
        if _normal(distribution) == _normal(name):
            return told
    return ""


def _installed_in(directory: str) -> list[str]:
    if directory not in _listed and len(_listed) < _MOST_DIRECTORIES:
        try:
            names = os.listdir(directory)
        except OSError:  # a zip file, or an unreadable directory
            names = []
        _listed[directory] = [name for name in names if name.endswith(_INSTALLED)]
    return _listed.get(directory, [])


def _normal(name: str) -> str:
    return name.replace("-", "_").replace(".", "_").lower()


_FACTS: Final[dict[str, Callable[[Report], str | float | None]]] = {
    "command": _command,
    "directory": _directory,
    "user": _user,
    "system": _system,
    "interpreter": _interpreter,
    "executable": _executable,
    "packages": _packages,
    "uptime": _uptime,
    "memory": _memory,
}
