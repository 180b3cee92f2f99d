"""Secrets in the places where programs have them, and what stands in such places and is none,
through real dumps.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import random
import re
import subprocess
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from commands import Commands
from hypothesis import given
from hypothesis import strategies as st

import keeptrace
from keeptrace import OptionError, Redaction
from keeptrace.format.reading import decode
from keeptrace.redact.redactor import Redactor, hidden_names

WORD = "correcthorse"
PASSWORD = "Tr0ub4dor-9xQ2"
KEY = "q8Zr4TnW1xV7pL2mK9sD3fGh"
DIGEST = "da39a3ee5e6b4b0d3255bfef95601890afd80709"


def texts_of(data: bytes) -> str:
    """All that travels in a dump, as one text."""
    found = decode(data)
    report: Any = {**found.report, "sources": {}, "live": None}
    sources = [zlib.decompress(packed).decode() for packed in found.report["sources"].values()]
    return json.dumps([found.header, report, *sources], ensure_ascii=False)


def dumped(
    tmp_path: Path, value: Any, message: str = "it failed", line: str = "pass", **options: Any
) -> str:
    """What is in the dump of a function that fails with a variable `x`, from a file of its own."""
    path = tmp_path / "program.py"
    path.write_text(f"def f(x, e):\n    {line}\n    raise e\n")
    space: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), space)
    try:
        space["f"](value, ValueError(message))
    except ValueError as exc:
        return texts_of(keeptrace.dumps(exc.with_traceback(exc.__traceback__.tb_next), **options))  # type: ignore[union-attr]
    raise AssertionError


class Address(NamedTuple):
    user: str
    password: str


class Config:
    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)


PEM_LINE = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" + "k3Jd9" * 12
LEAKS: dict[str, tuple[Any, str]] = {
    "argv of curl": (["curl", "-u", f"bob:{PASSWORD}", "https://a"], PASSWORD),
    "argv with -u and -p": (["app.py", "-u", "bob", "-p", PASSWORD], PASSWORD),
    "argv of docker login": (["docker", "login", "-p", PASSWORD, "ghcr.io"], PASSWORD),
    "argv of redis-cli": (["redis-cli", "-a", PASSWORD, "ping"], PASSWORD),
    "mysql -pX": (f"mysql -u bob -p{PASSWORD} shop", PASSWORD),
    "htpasswd -b": (f"htpasswd -b f bob {PASSWORD}", PASSWORD),
    "net use": (rf"net use Z: \\h\s {PASSWORD} /user:bob", PASSWORD),
    "openssl": (f"openssl rsa -passin pass:{PASSWORD} -in k", PASSWORD),
    ".netrc": (f"machine a login bob password {PASSWORD}", PASSWORD),
    ".pgpass": (f"db:5432:shop:bob:{PASSWORD}", PASSWORD),
    "kubeconfig": (
        f"user:\n  client-key-data: {base64.b64encode(PASSWORD.encode() * 9).decode()}\n",
        "VHIwdWI0ZG9yLTl4",
    ),
    "identified by": (f"CREATE USER bob IDENTIFIED BY '{PASSWORD}'", PASSWORD),
    "odbc in braces": (f"DRIVER=x;UID=bob;PWD={{{PASSWORD}}};", PASSWORD),
    "oracle": (f"jdbc:oracle:thin:bob/{PASSWORD}@db:1521/x", PASSWORD),
    "pem as a list of lines": (
        ["-----BEGIN PRIVATE KEY-----", PEM_LINE, "-----END PRIVATE KEY-----"],
        PEM_LINE,
    ),
    "pem in base64": (
        base64.b64encode(f"-----BEGIN PRIVATE KEY-----\n{PEM_LINE}".encode()).decode(),
        "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0t",
    ),
    "end of a pem": (f"{PEM_LINE}\n-----END RSA PRIVATE KEY-----\n", PEM_LINE),
    "manifest of a secret": (
        {"kind": "Secret", "metadata": {"name": "shop"}, "data": {"settings": "Y29ycmVjdGhvcnNl"}},
        "Y29ycmVjdGhvcnNl",
    ),
    "web key": ({"kty": "EC", "crv": "P-256", "d": KEY, "x": "a"}, KEY),
    "multipart": (
        f'--b\r\nContent-Disposition: form-data; name="password"\r\n\r\n{WORD}\r\n--b--',
        WORD,
    ),
    "named tuple": (Address("bob", WORD), WORD),
    "list of NAME=value": ([f"NPM_TOKEN={WORD}bx", "X=1"], f"{WORD}bx"),
    "environment": ({"OPENAI_KEY": f"{WORD}xY", "A": "1"}, f"{WORD}xY"),
    "bytes": ({b"OPENAI_KEY": f"{WORD}xY".encode()}, f"{WORD}xY"),
    "card": ({"number": 4242424242424242, "cvc": "123"}, "4242424242424242"),
    "card as a text": ({"card_number": "4242 4242 4242 4242"}, "4242 4242"),
    "pin code": ({"pin_code": "482197"}, "482197"),
    "one-time code": ({"otp": 493}, '"493"'),
    "seed words": ({"seed_words": "legal winner thank year wave sausage"}, "legal winner"),
    "any key that looks random": ({"oracle_pusher_key": "0x" + DIGEST}, DIGEST),
    "fallbacks": ({"SECRET_KEY_FALLBACKS": [KEY]}, KEY),
    "discord": ("https://discord.com/api/webhooks/161705266884476562/" + KEY * 3, KEY),
    "key of a query": (f"https://api.example.org/v1?key={DIGEST[:32]}&q=Bonn", DIGEST[:32]),
    "insert": (
        f"[SQL: INSERT INTO users (name, password) VALUES (?, ?)]\n[parameters: ('bob', '{WORD}')]",
        WORD,
    ),
    "update": (
        f"[SQL: UPDATE users SET name=?, password=? WHERE id=?]\n[parameters: ('bob', '{WORD}', 5)]",
        WORD,
    ),
    **{
        f"name {name}": ({name: KEY}, KEY)
        for name in (
            "signing_secret_v2 private_key_pem psk wifi_psk code_verifier openai_key mailgun_key tok auth_tok device_code "
            "magic_link unlock_code credential_blob the_password_for_db rootpw X-Insert-Key x-functions-key"
        ).split()
    },
}


@pytest.mark.parametrize("case", LEAKS)
def test_a_secret_stays_out(case: str, tmp_path: Path) -> None:
    """The secret is in the dump without redaction, and nowhere in it with the default options."""
    value, secret = LEAKS[case]
    if case != "one-time code":
        assert secret in dumped(tmp_path, value, redact=False)
    assert secret not in dumped(tmp_path, value)


KEPT: dict[str, tuple[Any, str]] = {
    "words of a text": (
        {"tokens": ["The", "quick", "ISO27001:2022", "x86_64", "B2B/SaaS2"]},
        "x86_64",
    ),
    "a parser's token": ({"token": "IDENT"}, "IDENT"),
    "a word of a loop": ({"token": "running"}, "running"),
    "a coin": ({"token": "USDC", "token_symbol": "WETH9"}, "USDC"),
    "counts of words": ({"password": 1712, "secret": 88, "the": 99999}, "1712"),
    "lengths": ({"password": 0.5, "session": 12000}, "12000"),
    "help of options": (
        {"token": "the token to use", "password": "Enter the password of your account."},
        "the token to use",
    ),
    "errors of a form": (
        {"password": ["This field is required.", "It must have at least 12 characters."]},
        "This field is required.",
    ),
    "labels of a form": (
        {"password": "Password", "confirm": "Confirm password"},
        "Confirm password",
    ),
    "types of columns": (
        {"password": "VARCHAR(128)", "token": "CHAR(40)", "id": "INTEGER"},
        "VARCHAR(128)",
    ),
    "dtypes": ({"password": "object", "secret": "category"}, "category"),
    "schema": ({"password": {"type": "string", "minLength": 12}}, "minLength"),
    "key of a cache": ({"cache_key": f"views:{DIGEST}", "foreign_key": "c4d2e1a0b9"}, DIGEST),
    "key of a song": ({"key": "F#m7b5", "key_signature": "3sharps-Dmaj"}, "3sharps-Dmaj"),
    "sessions of a conference": (
        {"session": "2024-spring-a1", "session_name": "train_7b_v2"},
        "2024-spring-a1",
    ),
    "samples": ({"sid": "HG00096", "owner": {"sid": "S-1-5-21-100-200-300-500"}}, "S-1-5-21"),
    "patterns": ({"pat": "^[a-z]{2,5}[0-9]+$"}, "[0-9]+$"),
    "a module": ({"auth": "app.auth.v2", "auth_method": "SCRAM-SHA-256"}, "app.auth.v2"),
    "name of a data source": ("DSN=warehouse;Database=shop1", "DSN=warehouse"),
    "working directory": ({"PWD": "/home/bob/project1"}, "/home/bob/project1"),
    "a resource": ('secrets "db-cred-7f9" is forbidden', "db-cred-7f9"),
    "a challenge": ('WWW-Authenticate: Bearer realm="api.v1"', "api.v1"),
    "a slug": ("sk-2024-annual-report-final-version-3", "annual-report"),
    "a locale": ("/i18n/sk-SK_translations_2024_final.json", "translations_2024_final"),
    "digests": ({"commit": DIGEST, "etag": f'W/"{DIGEST[:20]}"'}, DIGEST),
    "docker user": (["docker", "run", "-u", "1000:1000", "-p", "8080:80", "image"], "8080:80"),
    "an expression": ("re.compile('password=(\\\\w+)1')", "w+)1"),
}


@pytest.mark.parametrize("case", KEPT)
def test_an_innocent_is_shown(case: str, tmp_path: Path) -> None:
    """What looks like a secret and is none is in the dump as it is without redaction."""
    value, text = KEPT[case]
    hidden, shown = dumped(tmp_path, value), dumped(tmp_path, value, redact=False)
    assert json.dumps(text)[1:-1] in shown
    assert json.dumps(text)[1:-1] in hidden
    assert "redacted" not in hidden


SOURCES_KEPT = (
    "f = lambda xs: sorted(xs, key=lambda order: order['total'])",
    "pos = {'secret': 'noun7', 'the': 'det1'}",
    "g = lambda obj: getattr(obj, 'password', 'missing1')",
    "ok = lambda token: token == 'EOF2'",
    "tokens = 'a1b2 c3'.split()",
    "url = '/api/v1/token/refresh'",
    "y = 1  # first pass: 3 of 10x4 runs",
)


@pytest.mark.parametrize("line", SOURCES_KEPT)
def test_code_is_shown(line: str, tmp_path: Path) -> None:
    """Source that only speaks of secrets travels as it is, and so is the file itself for the
    reader.
    """
    assert json.dumps(line)[1:-1] in dumped(tmp_path, 1, line=line)


SOURCES_HIDDEN = (
    f"handle = lambda v: v; handle({{'headers': {{'Authorization': 'Bearer {KEY}'}}}})",
    f"client = dict(api_key={KEY!r})",
    f"cmd = ['curl', '-u', 'bob:{PASSWORD}']",
    f"SECRET_KEY_FALLBACKS = [{KEY!r}]",
)


@pytest.mark.parametrize("line", SOURCES_HIDDEN)
def test_the_source_follows_the_same_rules(line: str, tmp_path: Path) -> None:
    """A literal that is secret as a value is secret in the source that travels."""
    told = dumped(tmp_path, 1, line=line)
    assert KEY not in told and PASSWORD not in told


def test_the_argument_of_a_failing_command() -> None:
    """A password among the arguments of a failing subprocess is gone from the error's message and
    its cmd.
    """
    try:
        subprocess.run(["false", "-u", "bob:" + PASSWORD], check=True)
    except subprocess.CalledProcessError as exc:
        assert PASSWORD not in texts_of(keeptrace.dumps(exc, include_source=False))


def test_the_environment_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The value of an environment variable with a secret name is hidden in a message that has no
    name.
    """
    monkeypatch.setenv("SHOP_DB_PASSWORD", PASSWORD)
    monkeypatch.setenv("SHOP_REGION", "eu-central-77")
    told = dumped(tmp_path, 1, f"cannot log in with {PASSWORD} at eu-central-77")
    assert PASSWORD not in told and "eu-central-77" in told


def test_django_says_what_is_sensitive(tmp_path: Path) -> None:
    """The variables that @sensitive_variables names are hidden in the frame of the function that it
    wraps.
    """
    path = tmp_path / "views.py"
    path.write_text(
        "def sensitive_variables(*variables):\n"
        "    def decorator(func):\n"
        "        def sensitive_variables_wrapper(*args):\n"
        "            if variables:\n"
        "                pass\n"
        "            return func(*args)\n"
        "        return sensitive_variables_wrapper\n"
        "    return decorator\n"
        "@sensitive_variables('diagnosis')\n"
        "def view(diagnosis, ward):\n"
        "    raise ValueError('no bed')\n"
    )
    spec = importlib.util.spec_from_file_location("views", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    try:
        module.view("purple fever", "ward seven")
    except ValueError as exc:
        told = texts_of(keeptrace.dumps(exc.with_traceback(exc.__traceback__.tb_next.tb_next)))  # type: ignore[union-attr]
        whole = texts_of(keeptrace.dumps(exc.with_traceback(exc.__traceback__)))
    assert (
        "ward seven" in whole and "purple fever" in told
    )  # without the wrapper's frame nobody says so
    try:
        module.view("purple fever", "ward seven")
    except ValueError as exc:
        frames = decode(keeptrace.dumps(exc)).report
    view = frames["frames"][frames["exceptions"][0]["traceback"][-1][0]]
    assert frames["values"][view["locals"]["diagnosis"][0]][0] == "redacted"  # type: ignore[index]
    assert view["locals"]["ward"] == "ward seven"  # type: ignore[index]


def test_sensitive_parameters_of_a_request(tmp_path: Path) -> None:
    """A request that @sensitive_post_parameters marked has none of these parameters in the dump."""
    request = Config(
        sensitive_post_parameters=["diagnosis"],
        _post={"diagnosis": "purple fever", "ward": "ward seven"},
    )
    told = dumped(tmp_path, request)
    assert "purple fever" not in told and "ward seven" in told
    request = Config(
        sensitive_post_parameters="__ALL__",
        _post={"diagnosis": "purple fever", "ward": "ward seven"},
    )
    assert "ward seven" not in dumped(tmp_path, request)


def test_names_and_patterns_to_keep_and_to_hide(tmp_path: Path) -> None:
    """A Redaction keeps and hides by name, with wildcards, and by pattern, in values, messages and
    sources.
    """
    value = {"session_key": KEY, "badge": "4711-x", "password": PASSWORD, "note": "see CASE-123456"}
    redaction = Redaction(
        keep=["Session-Key", re.compile("Tr0ub.*")], hide=["bad*", re.compile(r"CASE-\d{6}")]
    )
    told = dumped(
        tmp_path, value, "CASE-654321 of 4711-x", line="badge = 'zz99-q'", redact=redaction
    )
    assert KEY in told and PASSWORD in told
    assert (
        "4711-x" not in told
        and "CASE-1" not in told
        and "CASE-6" not in told
        and "zz99-q" not in told
    )


def test_hide_wins() -> None:
    """A name that is both kept and hidden is hidden."""
    assert "abc1" not in Redactor(Redaction(keep=["badge"], hide=["badge"])).text("badge=abc1")


def test_a_redaction_is_a_value() -> None:
    """It is compared by what it holds, travels through pickle within Options, and cannot be
    changed.
    """
    import pickle

    made = Redaction(keep=["a"], hide=[re.compile("b")])
    assert pickle.loads(pickle.dumps(keeptrace.Options(redact=made))).redact == made
    assert hash(made) == hash(
        Redaction(keep=["a"], hide=[re.compile("b")])
    ) and "keep=('a',)" in repr(made)
    with pytest.raises(AttributeError):
        made.keep = ()


@pytest.mark.parametrize("wrong", ["token", [5], [re.compile(b"x")]])
def test_a_wrong_redaction_is_told(wrong: Any) -> None:
    """What is no list of names and patterns is an OptionError that says what is expected."""
    with pytest.raises(OptionError, match="names"):
        Redaction(keep=wrong)
    with pytest.raises(OptionError, match="Redaction"):
        keeptrace.Options(redact=5)  # type: ignore[arg-type]


def test_what_was_hidden_is_told_by_name(tmp_path: Path, call: Commands) -> None:
    """The names of hidden values are there for `keeptrace info`, each with its count."""
    path = tmp_path / "a.dump"
    try:
        exec("raise ValueError(x)", {"x": [{"Authorization": f"Bearer {KEY}"}, {"password": WORD}]})
    except ValueError as exc:
        keeptrace.dump(exc.with_traceback(exc.__traceback__.tb_next), path)  # type: ignore[union-attr]
    assert hidden_names(decode(path.read_bytes()).report) == {"Authorization": 1, "password": 1}
    done = call("info", path)
    assert "2 values: Authorization, password" in done.out, done


def test_the_page_is_of_these_tables() -> None:
    """docs/secrets.md is what docs/secrets_table.py writes."""
    script = Path(__file__).parents[1] / "docs" / "secrets_table.py"
    spec = importlib.util.spec_from_file_location("secrets_table", script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), (
        "run: python docs/secrets_table.py"
    )


nested = st.recursive(
    st.one_of(st.none(), st.integers(), st.text(max_size=20), st.binary(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["a", "rows", "item", "total"]), inner, max_size=4),
    ),
    max_leaves=8,
)


@given(
    nested,
    st.integers(0, 1 << 40),
    st.sampled_from(["password", "api_key", "DB_PASSWORD", "client_secret"]),
)
def test_a_random_secret_is_nowhere(
    tmp_path_factory: pytest.TempPathFactory, value: Any, seed: int, name: str
) -> None:
    """Under a secret name, in whatever it is nested, a random secret is neither in values, message
    nor source.
    """
    source = random.Random(seed)
    secret = (
        "".join(source.choice("abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMN23456789") for _ in range(18))
        + "7x"
    )
    where = tmp_path_factory.getbasetemp() / f"secret{os.getpid()}"
    where.mkdir(exist_ok=True)
    told = dumped(
        where, [value, {"inner": {name: secret}}], f"failed with {secret}", line=f"y = [{secret!r}]"
    )
    assert secret not in told


ordinary = st.lists(
    st.sampled_from(
        "the order of 17 rows was not found at line 3 (x=5, y=2.5) total: 12 EUR 'Bonn' [1, 2] a/b.txt 2024-01-05 10:30 user-7".split(
            " "
        )
    ),
    max_size=30,
).map(" ".join)


@given(ordinary)
def test_ordinary_text_is_never_changed(text: str) -> None:
    """Ordinary words, numbers, dates and paths in any order are the same object afterwards."""
    assert Redactor().text(text) is text
