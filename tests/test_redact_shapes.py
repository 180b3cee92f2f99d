"""The table of shapes: a random key of each vendor is hidden wherever it stands, and what is
shorter is not.
"""

from __future__ import annotations

import random
import re
import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import keeptrace
from keeptrace.redact.automaton import trie
from keeptrace.redact.looks import is_random
from keeptrace.redact.redactor import Redactor
from keeptrace.redact.shapes import ALPHABETS, SHAPES, Shape
from keeptrace.redact.spans import MARK

CASES = [(shape, prefix) for shape in SHAPES for prefix in shape.prefixes.split()]
NAMES = [f"{shape.vendor} {prefix}" for shape, prefix in CASES]


def characters(letters: str) -> str:
    """The characters of one of the table's alphabets."""
    return "".join(char for char in map(chr, range(33, 127)) if re.fullmatch(f"[{letters}]", char))


def example(shape: Shape, prefix: str, source: random.Random) -> str:
    """A random key: of each class in the body as many characters as it has at least."""
    body = re.sub(r"\(\?:.*?\)[?]|\{0,2\}|=\{0,2\}", "", shape.body)  # without what may be absent
    body = re.sub(r"\(\?:(.*?)\)", r"\1", body)
    pieces = re.findall(
        r"%(\w)(?:\{(\d+)[\d,]*\})?|\[((?:\\.|[^\]])+)\]\{(\d+)[\d,]*\}|\\?(.)", body
    )
    key = prefix
    for letter, count, letters, many, literal in pieces:
        if literal:
            key += literal
            continue
        alphabet = characters(ALPHABETS[letter] if letter else letters)
        alphabet = "".join(char for char in alphabet if char.isalnum())
        key += "".join(source.choice(alphabet) for _ in range(int(count or many or 1)))
    return key


@pytest.mark.parametrize(("shape", "prefix"), CASES, ids=NAMES)
def test_a_key_is_hidden(shape: Shape, prefix: str) -> None:
    """A random key of the vendor is gone from a text of its own, a sentence, a repr with an escape,
    and a source.
    """
    source = random.Random(f"{shape.vendor}{prefix}")
    redactor = Redactor()
    for _ in range(5):
        key = example(shape, prefix, source)
        for text in (
            key,
            f"upload with {key} failed (403)",
            f"'a\\n{key}\\nb'",
            f"x={key}&y=1",
            f"[{key}]",
        ):
            assert key not in redactor.text(text), text
        line = f"client = dict(eu={key!r})\n"
        hidden = redactor.source(line)
        assert key not in hidden and len(hidden) == len(line)


def test_a_prefix_alone_is_no_key() -> None:
    """Each prefix in a sentence, with a short word behind it, is left."""
    for _, prefix in CASES:
        for text in (
            f"it begins with {prefix} and more",
            f"see {prefix}abc1 there",
            f"the file {prefix}x.txt",
        ):
            assert Redactor().text(text) == text


def test_a_key_within_a_word_is_none() -> None:
    """What goes on before a prefix is another word."""
    for _, prefix in CASES:
        if prefix[0].isalnum():
            text = "see xq" + prefix.replace(".", "").replace("-", "")[:4] + " there"
            assert Redactor().text(text) == text


ORDINARY = """
    sk-2024-annual-report-final-version-3
    /i18n/sk-SK_translations_2024_final.json
    re_compile1_with_flags_ignorecase_2
    sk-learn hf_hub task-runner-with-a-long-name-1234567890 npm_config
    pat.tern1.match live_stream_2024 test_case_with_a_long_name_1 API-REFERENCE-2024
    commit da39a3ee5e6b4b0d3255bfef95601890afd80709
    sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    123e4567-e89b-12d3-a456-426614174000
    eyJustAWord and eyJ0aGluZyI
    t1.fields[0] dp.pt sl.split SG.rows v1.0-rc1 b_tree_node_with_a_very_long_name_for_a_test_case
    Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0
    https://example.org/a/b?page=2&sort=key&id=12345
    MIME MIIndex MIIKE Oslo.example-name.of-some-module-that-is-long-enough
"""


@pytest.mark.parametrize("text", [line.strip() for line in ORDINARY.strip().splitlines()])
def test_ordinary_text_is_left(text: str) -> None:
    """Names, paths, digests and addresses that begin like a key are the same object afterwards."""
    assert Redactor().text(text) is text


@given(
    st.lists(st.text(alphabet=string.ascii_letters + "_-. ", min_size=1, max_size=12), min_size=1)
)
def test_a_trie_finds_the_same_words(words: list[str]) -> None:
    """The shared pattern finds a word in a text if and only if one is in it."""
    found = re.compile(trie(words)).search
    for word in words:
        assert found(f"<{word}>") is not None
    assert found("<>") is None


@given(st.data())
def test_a_key_anywhere_in_a_text(data: st.DataObject) -> None:
    """A key between ordinary words is hidden, and the words are left."""
    shape, prefix = data.draw(st.sampled_from(CASES))
    words = st.lists(
        st.sampled_from("the order of 17 rows was, (at) line: 3 \n\t'x' [y]".split(" ")), max_size=8
    )
    before, after = " ".join(data.draw(words)), " ".join(data.draw(words))
    key = example(shape, prefix, random.Random(data.draw(st.integers(0, 999))))
    # Behind an everyday prefix, a key without a digit is taken for a name.
    assume(not shape.is_common or is_random(key.removeprefix(prefix)))
    assert Redactor().text(f"{before} {key} {after}") == f"{before} {MARK} {after}"


def test_prose_is_no_sql() -> None:
    """A thing that is "identified by the request" has no password; a user of a database has."""
    said = ValueError("the resource identified by the request; ALTER USER a IDENTIFIED BY tiger77")
    text = str(keeptrace.loads(keeptrace.dumps(said)))
    assert "identified by the request" in text and "tiger77" not in text
