"""Where a prepared process and an asking process meet: files in a private directory of the user.

$XDG_RUNTIME_DIR/keeptrace/      or else, in the directory for temporary files:
/tmp/keeptrace-1000/
  process-4711       the signals of process 4711, and its start; as JSON
  ask-4711           a request for a snapshot: a token, and the time limit in seconds
  answer-TOKEN       the snapshot, whole; or failed-TOKEN: the reason for a missing snapshot
  script-TOKEN.py    the script for a process that nobody prepared (sys.remote_exec)
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, NamedTuple

from ..core.errors import KeepTraceError
from ..core.processes import is_alive, start_of
from ..format.files import create, open_regular, remove, user, write_atomically

_PRIVATE: Final = 0o700
# (bytes of an announcement)
_MOST_FACTS: Final = 1 << 16


class Facts(NamedTuple):
    """The requests that a process answers.

    start: see core/processes.py. snapshot, stack: the numbers of signals, or None. box: the file
        for its stack.
    """

    pid: int
    start: int | None
    snapshot: int | None = None
    stack: int | None = None
    box: str | None = None


def _candidates() -> list[str]:
    """The directories for announcements, the preferred directory first.

    A service and a shell of the same user may have other environments.
    """
    found: list[str] = []
    of_session = os.environ.get("XDG_RUNTIME_DIR", "")
    for runtime in (of_session, f"/run/user/{user()}"):
        if os.path.isabs(runtime) and os.access(runtime, os.W_OK):
            found.append(os.path.join(runtime, "keeptrace"))
    name = f"keeptrace-{user()}"
    found.append(os.path.join(tempfile.gettempdir(), name))
    found.append(os.path.join(os.sep, "tmp", name))
    return list(dict.fromkeys(found))


def _is_private(directory: str) -> bool:
    """Whether a directory (no link) belongs to its user alone."""
    status = os.lstat(directory)
    if not stat.S_ISDIR(status.st_mode):
        return False
    is_ours = not hasattr(os, "geteuid") or status.st_uid == user()
    of_others = stat.S_IMODE(status.st_mode) & ~_PRIVATE
    is_closed = os.name != "posix" or not of_others
    return is_ours and is_closed


def meeting_place() -> str:
    """The directory for this process's files. Raises OSError, and KeepTraceError if other users
    could write there.
    """
    directory = _candidates()[0]
    with suppress(FileExistsError):
        os.mkdir(directory, _PRIVATE)
    if not _is_private(directory):
        raise KeepTraceError(
            f"{directory} is not used, because others could use it as well: "
            "remove it, or make it yours alone (mode 700)"
        )
    return directory


def _places() -> Iterator[str]:
    for directory in _candidates():
        try:
            is_usable = _is_private(directory)
        except OSError:  # does not exist
            continue
        if is_usable:
            yield directory


def announce(directory: str, facts: Facts) -> None:
    """Announces this process. Raises OSError."""
    text = json.dumps(facts._asdict())
    path = _announcement(directory, facts.pid)
    write_atomically(path, text.encode())


def withdraw(directory: str, pid: int) -> None:
    """Withdraws the announcement."""
    remove(_announcement(directory, pid))


def _announcement(directory: str, pid: int) -> str:
    return os.path.join(directory, f"process-{pid}")


def facts_of(pid: int) -> tuple[str, Facts] | None:
    """The directory of a prepared process, and its announcement; None if nobody prepared the
    process.
    """
    for directory in _places():
        path = _announcement(directory, pid)
        try:
            with os.fdopen(open_regular(path), "rb") as file:
                facts = Facts(**json.loads(file.read(_MOST_FACTS)))
        except (OSError, ValueError, TypeError):  # no announcement, or a foreign file
            continue
        is_same = facts.pid == pid and start_of(pid) == facts.start
        if is_same and is_alive(pid, facts.start):
            return directory, facts
        remove(path)  # of a killed process
    return None


# -- a request and its answer


class Request(NamedTuple):
    """A request for a snapshot: the asking process, and the seconds for reading."""

    token: str
    max_seconds: float | None


def put_request(directory: str, pid: int, request: Request) -> None:
    """Leaves a request for a process. Raises OSError; FileExistsError if the last is still open."""
    with os.fdopen(create(_request(directory, pid)), "wb") as file:
        file.write(json.dumps(request._asdict()).encode())


def take_request(directory: str, pid: int) -> Request | None:
    """Takes the request for a process away, and returns it; None without a request."""
    path = _request(directory, pid)
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            data = file.read(_MOST_FACTS)
    except OSError:
        return None
    if not remove(path):
        return None
    try:
        return Request(**json.loads(data))
    except (ValueError, TypeError):
        return None


def drop_request(directory: str, pid: int) -> bool:
    """Removes a request. Returns whether the request was still open."""
    return remove(_request(directory, pid))


def _request(directory: str, pid: int) -> str:
    return os.path.join(directory, f"ask-{pid}")


def put_answer(directory: str, token: str, data: bytes) -> None:
    """Answers with a snapshot."""
    write_atomically(os.path.join(directory, f"answer-{token}"), data)


def put_failure(directory: str, token: str, why: str) -> None:
    """Answers with the reason for a missing snapshot."""
    path = os.path.join(directory, f"failed-{token}")
    write_atomically(path, why.encode("utf-8", "backslashreplace"))


def take_answer(directory: str, token: str) -> bytes | None:
    """Takes the answer to a request away, and returns it; None while the process has not answered.

    Raises KeepTraceError with the reason for a missing snapshot.
    """
    for kind in ("failed", "answer"):
        path = os.path.join(directory, f"{kind}-{token}")
        try:
            with os.fdopen(open_regular(path), "rb") as file:
                data = file.read()
        except FileNotFoundError:
            continue
        remove(path)
        if kind == "failed":
            raise KeepTraceError(data.decode("utf-8", "replace"))
        return data
    return None
