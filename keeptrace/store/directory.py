"""The directory of a store: on this machine, or behind fsspec."""

from __future__ import annotations

from ..format.files import file_system, is_local, is_url
from .local import LocalDirectory
from .remote import RemoteDirectory

Directory = LocalDirectory | RemoteDirectory


def directory_of(given: str) -> Directory:
    """The directory of a path or a URL. Raises MissingExtraError for a URL without fsspec."""
    if not is_url(given):
        return LocalDirectory(given)
    files, inside = file_system(given)
    if is_local(files):
        return LocalDirectory(inside, shown=given.rstrip("/"))
    return RemoteDirectory(files, inside, given)
