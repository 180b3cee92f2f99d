"""Reading a dump runs nothing of it, ends soon and stays small, whatever the data is."""

from __future__ import annotations

import collections
import gzip
import json
import os
import pickle
import pickletools
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import fuzz
import hostile
import pytest
from depth import DEPTH

import keeptrace
from keeptrace import DumpError
from keeptrace.core import bounds
from keeptrace.format import reading as _reading
from keeptrace.format import traveller, writing
from keeptrace.format.fitting import REASON

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)])}

# Cases that are odd but harmless, and so restored; all the others are refused.
RESTORED_OR_REFUSED = (
    "flags",
    "odd fields",
    "unicode error",
    "argument",
    "names",
    "position",
    "node",
    "exact",
)


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict[str, Any]]:
    """What reading each hostile dump does to a process of its own."""
    done = subprocess.run(
        [sys.executable, str(HERE / "hostile.py")],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert not done.returncode, done.stderr[-2000:]
    return {found["name"]: found for found in map(json.loads, done.stdout.splitlines())}


@pytest.mark.timeout(
    900
)  # the fixture reads all of them: 10 s of a processor, minutes on a busy machine
@pytest.mark.parametrize("name", hostile.CASES)
def test_hostile(name: str, outcomes: dict[str, dict[str, Any]]) -> None:
    """A hostile dump is refused, or gives a harmless exception; it imports, runs, writes and connects to nothing, within 5 s and 500 MB."""
    found = outcomes[name]
    assert found["code"] == 0, found
    assert found["seconds"] < hostile.SECONDS
    assert "MemoryError" not in found["outcome"]


REFUSED = [
    *(
        "os_system",
        "another_boot",
        "exec_instead_of_eval",
        "a_global_inside",
        "a_class_inside",
        "memo_bomb",
        "fake_length_of_bytes",
        "fake_frame",
    ),
    *(
        "many_opcodes",
        "gzip_bomb",
        "header_of_megabytes",
        "newer_format",
        "body_bomb",
        "body_of_lists",
        "body_of_numbers",
        "deep_json",
    ),
    *(
        "billion_laughs_in_the_message",
        "billion_laughs_as_a_key",
        "deep_key",
        "tuple_that_holds_itself",
        "long_keys",
    ),
    *(
        "too_many_values",
        "classes_with_names",
        "chain_of_types",
        "group_of_the_same_again_and_again",
        "file_with_nul",
        "values absent",
        "frames_of_every_size",
        "shared_names",
        "one_frame_again_and_again",
    ),
]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, outcomes: dict[str, dict[str, Any]]) -> None:
    """What can only be an attack is a DumpError, which says what is wrong."""
    assert outcomes[name]["outcome"].startswith("DumpError: this ")


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "name",
    [
        "newer_format",
        "body_bomb",
        "deep_json",
        "values absent",
        "billion_laughs_as_a_key",
        "classes_with_names",
        "json_list",
    ],
)
def test_salvaged(name: str, outcomes: dict[str, dict[str, Any]]) -> None:
    """Where the header can be read, the error carries it."""
    assert outcomes[name]["outcome"].endswith("(salvaged)")


def test_every_truncation() -> None:
    """A dump that ends early is a DumpError at every length, with the header from the length on at which it is whole."""
    data = hostile.packed(hostile.fresh())
    whole = data.index(hostile.HEADER.encode()) + len(hostile.HEADER)
    for length in range(len(data)):
        with pytest.raises(DumpError) as caught:
            keeptrace.loads(data[:length])
        assert (caught.value.salvaged.get("message") == "hostile") == (length >= whole), length


def test_every_truncation_of_gzip() -> None:
    """The same for a dump that was compressed."""
    data = gzip.compress(hostile.packed(hostile.fresh()))
    for length in range(len(data)):
        with pytest.raises(DumpError):
            keeptrace.loads(data[:length])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"hello",
        b"PK\x03\x04",
        pickle.dumps({"a": 1}),
        pickle.dumps(ValueError(1)),
        b"\x80\x04N.",
        b"\x1f\x8b",
    ],
)
def test_foreign(data: bytes) -> None:
    """What is no dump is told so."""
    with pytest.raises(DumpError):
        keeptrace.loads(data)


def test_not_bytes() -> None:
    """Something that is not data is told so, too."""
    with pytest.raises(DumpError, match="a dump is bytes, not str"):
        keeptrace.loads("text")  # type: ignore[arg-type]


def test_optimized() -> None:
    """The recipe of pickletools.optimize gives a smaller dump that is read in both ways."""
    data = hostile.dumped()
    optimized = pickletools.optimize(data)
    assert len(optimized) <= len(data)
    assert str(keeptrace.loads(optimized)) == str(pickle.loads(optimized)) == "hostile"


def test_what_is_written_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception so large that its dump could not be read is cut to what a reader takes."""
    for module in (writing, _reading):  # at its true size, writing takes four seconds
        monkeypatch.setattr(module, "MAX_PARTS", bounds.MAX_PARTS // 10)
    many = [object() for _ in range(35_000)]
    try:
        raise ValueError(many)
    except ValueError as exc:
        data = keeptrace.dumps(
            exc,
            max_items=-1,
            max_values=10**9,
            max_bytes=10**9,
            max_seconds=60.0,
            include_source=False,
        )
    exc = keeptrace.loads(data)
    assert isinstance(exc, ValueError)
    kept = exc.args[0]
    if isinstance(kept, BaseException):
        kept = kept.args
    assert 100 < len(kept) <= 35_000
    assert REASON in _reading.decode(data).report["cuts"]


def test_header() -> None:
    """The header tells what failed where, and is read without the rest."""
    header = _reading.read_header(hostile.dumped()[:2000])
    assert header["type"] == "ValueError"
    assert header["message"] == "hostile"
    assert header["where"].endswith(" in fail")


# pickletools warns of a text opcode that a mutation made
@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")
def test_fuzz() -> None:
    """A short run of tests/fuzz.py: mutated dumps, byte by byte and within their structure."""
    assert fuzz.run(300 * DEPTH, seed=7) == 0


@pytest.mark.parametrize("live", [False, True])
def test_the_restorer_that_travels(live: bool) -> None:
    """It is one text for every Python that writes dumps, has no words of ours in it, and is small."""
    name, packed = traveller.restorer(live)
    text = zlib.decompress(packed).decode()
    compile(text, name, "exec")
    assert '"""' not in text and "\n\n" not in text
    assert len(packed) < (20_000 if live else 16_500)


def test_a_dump_without_live_objects_has_the_smaller_restorer() -> None:
    """What brings live objects to life travels only where there are some."""
    plain, live = (traveller.restorer(is_live)[0].encode() for is_live in (False, True))
    assert plain in hostile.dumped() and live not in hostile.dumped()
    try:
        raise ValueError(collections.Counter("aab"))
    except ValueError as exc:
        data = keeptrace.dumps(exc, pickler="pickle")
    assert live in data and plain not in data
    assert pickle.loads(data).args == (collections.Counter("aab"),)
