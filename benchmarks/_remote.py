"""Runs a peer on the corpus, in a process and perhaps a Python of its own. peers.Remote asks, a
JSON line a question.

The module also runs under Python 3.9, for the oldest peer.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from typing import Any

from . import corpus, peers

_made: dict[str, Any] = {}
_dumped: dict[str, Any] = {}


def _prepared(peer: peers.Peer, name: str) -> Any:
    if name not in _made:
        if name not in corpus.CORPUS or corpus.missing(name):
            raise LookupError("not on this Python")
        _made.clear()
        _dumped.clear()
        _made[name] = peer.prepare(corpus.make(name))
    return _made[name]


def _answer(peer: peers.Peer, do: str, name: str) -> dict[str, Any]:
    if do == "about":
        python = "{}.{}".format(*sys.version_info)
        return {
            "label": peer.label,
            "keeps": peer.keeps,
            "keeps_data": peer.keeps_data,
            "python": python,
        }
    prepared = _prepared(peer, name)
    if do == "size":
        return {"size": peer.size(_dumped[name])}
    gc.collect()
    gc.disable()
    begin = time.process_time()
    if do == "dump":
        _dumped[name] = peer.dump(prepared)
    else:
        peer.restore(_dumped[name])
    seconds = time.process_time() - begin
    gc.enable()
    return {"seconds": seconds}


def main(name: str) -> None:
    answers = sys.stdout
    sys.stdout = sys.stderr  # what the corpus or the library may print is no answer
    peer = peers.by_name(name)
    for line in sys.stdin:
        do, exception = json.loads(line)
        try:
            told = _answer(peer, do, exception)
        except BaseException as problem:  # whatever the peer raises
            told = {"failed": type(problem).__name__}
        print(json.dumps(told), file=answers, flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except ImportError:  # it is not installed here
        sys.exit(3)
