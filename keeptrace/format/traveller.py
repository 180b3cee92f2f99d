"""The restorer that travels inside dumps, ready made by build_traveller.py from the modules of
restore/.
"""

from __future__ import annotations

import binascii
from functools import cache

from . import ready


@cache
def restorer(live: bool) -> tuple[str, bytes]:
    """The name and the compressed source of the restorer. live: the one that brings live objects to
    life.
    """
    name, text = (ready.LIVE_NAME, ready.LIVE) if live else (ready.PLAIN_NAME, ready.PLAIN)
    return name, binascii.a2b_base64(text)
