"""The restorer that travels inside dumps, ready made by build_traveller.py from the modules of
restore/.
"""

from __future__ import annotations

import binascii
from functools import cache

from . import ready


@cache
def restorer(live: bool) -> tuple[str, bytes]:
    """The name and the compressed source of the restorer. live: the restorer for live objects."""
    if live:
        return ready.LIVE_NAME, binascii.a2b_base64(ready.LIVE)
    return ready.PLAIN_NAME, binascii.a2b_base64(ready.PLAIN)
