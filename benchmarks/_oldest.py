"""Runs keepTrace 1.2.0 on the corpus, under the Python that it works on; asked by peers.Oldest, one JSON line a question."""

from __future__ import annotations

import gc
import json
import pickle
import sys
import time
from importlib import metadata
from typing import Any

import keepTrace  # type: ignore[import-not-found]  # installed only beside that old Python

from . import corpus

_made: dict[str, BaseException] = {}
_dumped: dict[str, bytes] = {}


def _exception(name: str) -> BaseException:
    if name not in _made:
        if name not in corpus.CORPUS or corpus.missing(name):
            raise LookupError("not on this Python")
        _made.clear()
        _dumped.clear()
        _made[name] = corpus.make(name)
    return _made[name]


def _answer(do: str, name: str) -> dict[str, Any]:
    if do == "version":
        return {"version": f"{metadata.version('keepTrace')} on Python {sys.version_info[0]}.{sys.version_info[1]}"}
    traceback = _exception(name).__traceback__
    if do == "size":
        return {"size": len(_dumped[name])}
    gc.collect()
    gc.disable()
    begin = time.perf_counter()
    if do == "dump":
        _dumped[name] = pickle.dumps(traceback, 4)
    else:
        pickle.loads(_dumped[name])
    seconds = time.perf_counter() - begin
    gc.enable()
    return {"seconds": seconds}


def main() -> None:
    keepTrace.init()
    answers = sys.stdout
    sys.stdout = sys.stderr  # what the corpus or the library may print is no answer
    for line in sys.stdin:
        do, name = json.loads(line)
        try:
            told = _answer(do, name)
        except BaseException as problem:
            told = {"failed": type(problem).__name__}
        print(json.dumps(told), file=answers, flush=True)


main()
