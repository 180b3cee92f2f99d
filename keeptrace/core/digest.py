"""SHA-256 without OpenSSL.

`hashlib` imports OpenSSL, and Python 3.12 then aborts at exit if a subinterpreter imported OpenSSL.
A dump may be written in a subinterpreter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final


def _find() -> Callable[[bytes], Any]:
    try:
        from _sha2 import sha256  # type: ignore[import-not-found]  # Python 3.12 and newer
    except ImportError:
        try:
            from _sha256 import sha256  # type: ignore[import-not-found]
        except ImportError:  # a Python that was built without _sha2
            from hashlib import sha256
    return sha256  # type: ignore[no-any-return]  # the three are alike


_sha256: Final = _find()


def digest(data: bytes) -> str:
    """The SHA-256 of the data, in hexadecimal digits."""
    return str(_sha256(data).hexdigest())
