"""What is secret is gone from a report, wherever it was; what only looks like it is untouched."""

# ruff: noqa: SIM905 - tables of words are read and extended as lines of words

from __future__ import annotations

import ast
import base64
import copy
import json
import pickle
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeptrace.redact import redactor as _redact
from keeptrace.redact.redactor import Redactor
from keeptrace.redact.spans import MARK

S = "hunter2xyz"  # the secret of most cases
RANDOM = "q8Zr4TnW1xV7"
# Assembled, so that nothing that looks through this file for keys finds one.
JWT = "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0In0" + ".c2lnbmF0dXJl"
AWS = "AKIA" + "IOSFODNN7EXAMPLE"
GITHUB = "ghp_" + "a1B2c3D4" * 5
SLACK = "xoxb-" + "123456789012-abcdefGHIJ"
STRIPE = "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc"
GOOGLE = "AIza" + "SyA1234567890abcdefghijklmnopqrstuvw"
BODY = "MIIEpAIBAAKCAQEA7bq"
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{BODY}\n{BODY}\n-----END RSA PRIVATE KEY-----"
BASIC = base64.b64encode(b"bob:" + S.encode()).decode()


class Thing:
    """Becomes a stand-in: its attributes are a __dict__, its repr may tell something."""

    def __init__(self, shown: str | None = None, /, **attributes: Any) -> None:
        self.shown = shown
        self.attributes = attributes


def ref_of(value: Any, values: list[Any], seen: dict[int, int]) -> Any:
    """The ref to a value, its nodes appended to `values`."""
    if (
        value is None
        or isinstance(value, (bool, float, str))
        or (isinstance(value, int) and abs(value) < 1 << 63)
    ):
        return value
    if id(value) in seen:
        return [seen[id(value)]]
    index = seen[id(value)] = len(values)
    node: list[Any] = []
    values.append(node)
    if isinstance(value, Thing):
        attributes = {name: ref_of(item, values, seen) for name, item in value.attributes.items()}
        node += ["object", 0, value.shown, attributes, {"address": 4096}]
    elif isinstance(value, dict):
        node += [
            "dict",
            len(value),
            [ref_of(item, values, seen) for pair in value.items() for item in pair],
        ]
    elif isinstance(value, (list, tuple, set)):
        node += [type(value).__name__, len(value), [ref_of(item, values, seen) for item in value]]
    elif isinstance(value, bytes):
        node += ["bytes", len(value), value.decode("latin-1")]
    else:
        node += ["int", hex(value)]
    return [index]


def make(
    local: dict[str, Any] | None = None,
    *,
    args: tuple[Any, ...] = (),
    message: str | None = None,
    source: str = "",
    world: dict[str, Any] | None = None,
    notes: list[str] | None = None,
    attributes: dict[str, Any] | None = None,
    live: bytes | None = None,
) -> Any:
    """A report of one exception in one frame."""
    values: list[Any] = []
    seen: dict[int, int] = {}

    def refs(mapping: dict[str, Any] | None) -> dict[str, Any]:
        return {name: ref_of(value, values, seen) for name, value in (mapping or {}).items()}

    exception: dict[str, Any] = {
        "type": 0,
        "args": ref_of(args, values, seen),
        "fields": {},
        "attributes": refs(attributes),
    }
    exception.update(cause=None, context=None, suppress=False, traceback=[[0, [1, 1, 0, 1]]])
    if message is not None:
        exception["str"] = message
    if notes is not None:
        exception["notes"] = ref_of(notes, values, seen)
    return {
        "format": 1,
        "python": "3.13.0",
        "exceptions": [exception],
        "frames": [{"code": 0, "globals": 0, "locals": refs(local), "at": [1, 1, 0, 1]}],
        "codes": [
            {
                "file": "a.py",
                "name": "f",
                "qualname": "f",
                "line": 1,
                "args": [0, 0, 0],
                "flags": 3,
                "names": [],
            }
        ],
        "globals": [refs(world)],
        "types": [["a", "Thing", []]],
        "values": values,
        "sources": {"a.py": zlib.compress(source.encode())} if source else {},
        "live": live,
        "cuts": {},
    }


def everything(report: Any) -> str:
    """All that travels, as one text."""
    report = {
        **report,
        "sources": {
            name: zlib.decompress(data).decode() for name, data in report["sources"].items()
        },
    }
    return json.dumps(report, default=lambda data: data.decode("latin-1"), ensure_ascii=False)


# name of the case: (report, what must be gone)
SHARED = [S]
LEAKS: dict[str, tuple[Any, str]] = {
    # by name
    **{
        f"name {name}": (make({name: S}), S)
        for name in (
            "password passwd pwd pw user_password passwordHash password2 old_password secret client_secret clientSecret SECRET_KEY "
            "token access_token accessToken refreshToken x_auth_token api_key apiKey apikey APIKEY private_key signing_key "
            "authorization auth cookie set_cookie session_id sessionid PHPSESSID csrf_token csrfmiddlewaretoken dsn credentials "
            "passphrase connection_string connectionString bearer jwt db_pass otp DATABASE_URL AWS_SECRET_ACCESS_KEY PGPASSWORD"
        ).split()
    },
    "key in kebab case": (make({"h": {"X-Api-Key": S, "Accept": "*/*"}}), S),
    "key in words": (make({"h": {"Client Secret": S}}), S),
    "bytes key and value": (make({"h": {b"authorization": b"Token " + S.encode()}}), S),
    "environment": (make({"env": {"DB_PASSWORD": S, "HTTP_AUTHORIZATION": "x"}}), S),
    "environment of a stand-in": (
        make({"e": Thing(f"environ({{'HOME': '/root', 'DB_PASSWORD': '{S}'}})")}),
        S,
    ),
    "global": (make(world={"API_TOKEN": S}), S),
    "attribute": (make({"self": Thing("<Client>", host="a", password=S)}), S),
    "attribute of the exception": (make(attributes={"token": S}), S),
    "nested": (make({"a": [({"b": [{"password": S}]},)]}), S),
    "list under a name": (make({"passwords": [S, "other"]}), S),
    "dict under a strong name": (make({"credentials": {"a": {"b": S}}}), S),
    "pair of a weak name": (make({"auth": ("bob", S)}), S),
    "dict under a weak name": (make({"cookies": {"id": S}}), S),
    "stand-in under a strong name": (make({"password": Thing(f"Secret({S})", raw=S)}), S),
    "stand-in under a weak name": (
        make({"token": Thing(f"<Token {RANDOM}>", inner=RANDOM)}),
        RANDOM,
    ),
    "bytes": (make({"secret_key": S.encode()}), S),
    "number": (make({"password": 83457219}), "83457219"),
    "big number": (make({"private_key": 0xDEADBEEF12345678ABCDEF}), "0xdeadbeef12345678abcdef"),
    "tokens that look random": (make({"tokens": [RANDOM]}), RANDOM),
    "random signature": (make({"signature": RANDOM}), RANDOM),
    "headers as pairs": (
        make({"headers": [("Authorization", f"Custom {S}"), ("Cookie", f"sid={S}")]}),
        S,
    ),
    "headers as pairs of bytes": (make({"headers": [(b"x-api-key", S.encode())]}), S),
    "command line as a list": (make({"argv": ["mysql", "--password", S]}), S),
    "command line joined": (make({"argv": ["mysql", f"--password={S}"]}), S),
    # by shape, under innocent names
    "bearer": (make({"x": f"Bearer {RANDOM}"}), RANDOM),
    "basic": (make({"x": f"Basic {BASIC}"}), BASIC),
    "pem": (make({"x": f"key:\n{PEM}\n"}), BODY),
    "pem in a repr": (make({"x": Thing(repr(PEM))}), BODY),
    "pem cut off": (make({"x": PEM[:60]}), BODY),
    "pem in bytes": (make({"x": PEM.encode()}), BODY),
    "jwt": (make({"x": JWT}), JWT[21:]),
    "aws": (make({"x": f"key {AWS}"}), AWS),
    "github": (make({"x": GITHUB}), GITHUB),
    "slack": (make({"x": SLACK}), SLACK),
    "stripe": (make({"x": STRIPE}), STRIPE),
    "google": (make({"x": GOOGLE}), GOOGLE),
    "password in a url": (make({"x": f"postgres://bob:{S}@db/app"}), S),
    "url without a user": (make({"x": f"redis://:{S}@cache:6379/0"}), S),
    "url with an at sign": (make({"x": f"http://bob:p@{S}@host/"}), S),
    "key of a dict": (make({"x": {GITHUB: 1}}), GITHUB),
    # pairs in text
    "assigned": (make({"x": f"connect password={S} failed"}), S),
    "colon": (make({"x": f"token: {S}"}), S),
    "json": (make({"x": json.dumps({"api_key": S, "b": 1})}), S),
    "json without spaces": (make({"x": json.dumps({"password": S}, separators=(",", ":"))}), S),
    "form field": (make({"x": f'<input name="csrf_token" value="{S}">'}), S),
    "list in a text": (make({"x": f"auth=('bob', '{S}')"}), S),
    "json in json": (make({"x": json.dumps(json.dumps({"api_key": S}))}), S),
    "repr of a dict": (make({"x": repr({"password": S})}), S),
    "json in bytes": (make({"x": json.dumps({"password": S}).encode()}), S),
    "query string": (make({"x": f"https://a/b?page=2&access_token={S}&z=1"}), S),
    "form body": (make({"x": f"user=bob&password={S}".encode()}), S),
    "option": (make({"x": f"mysql --password {S} -h db"}), S),
    "curl": (make({"x": f"curl -s -u bob:{S} https://a"}), S),
    "header lines": (make({"x": f"GET /\r\nCookie: theme=1; sid={S}\r\nAccept: */*"}), S),
    "connection string": (make({"x": f"Server=db;Uid=bob;Pwd={S};"}), S),
    "account key": (make({"x": f"AccountName=a;AccountKey={RANDOM}=="}), RANDOM),
    "xml": (make({"x": f"<a><password>{S}</password></a>"}), S),
    "xml behind a colon": (make({"x": f"body:<password>@{S}</password>"}), S),
    "repr of a dataclass": (make({"x": Thing(f"Config(host='a', password='{S}')")}), S),
    "wrapped": (make({"x": f"Config(password=Str('{S}'))"}), S),
    "prose": (make({"x": f"the password is {S}"}), S),
    "prose with quotes": (make({"x": f"wrong password '{S}' for bob"}), S),
    # in the exception
    "message": (make(message=f"login failed: password={S}"), S),
    "argument": (make(args=(f"password={S}",)), S),
    "nested argument": (make(args=({"password": S},)), S),
    "note": (make(notes=[f"api_key: {S}"]), S),
    # what was found once is gone everywhere
    "spread to the message": (make({"password": S}, message=f"cannot log in with {S}!"), S),
    "spread to an argument": (make({"password": S}, args=(S,)), S),
    "spread to a note": (make({"password": S}, notes=[f"tried {S}"]), S),
    "spread to a repr": (make({"password": S, "x": Thing(f"<Conn {S}>")}), S),
    "spread to bytes": (make({"password": S, "x": f"a{S}b".encode()}), S),
    "spread to a source": (make({"password": S}, source=f"x = 1\nf('{S}')\n"), S),
    "spread from a source": (make({"x": f"log {S}"}, source=f"PASSWORD = '{S}'\n"), S),
    "spread from a url": (make({"url": f"amqp://u:{S}@h", "x": f"[{S}]"}), S),
    "spread from a dsn": (make({"dsn": f"amqp://u:{S}@h", "x": f"[{S}]"}), S),
    "spread to a key": (make({"password": S, "x": {S: 1}}), S),
    "spread to an attribute's name": (make({"password": S, "x": Thing("", **{S: 1})}), S),
    "spread with quotes": (
        make({"password": "it's\"7\\x", "x": Thing(repr("it's\"7\\x"))}),
        "7\\\\\\\\x",
    ),
    "spread url-quoted": (make({"password": "a b/c&d9", "x": "q=a%20b%2Fc%26d9"}), "a%20b"),
    "spread beyond ascii": (make({"password": "pässwörd", "x": "pässwörd".encode()}), "pÃ¤ss"),
    "spread of a word": (make({"password": "swordfish", "x": "said swordfish twice"}), "swordfish"),
    "spread cut off": (
        make({"api_key": RANDOM + RANDOM, "x": Thing(f"<A {RANDOM}q8...>")}),
        RANDOM,
    ),
    "alias of a list": (make({"secrets": SHARED, "x": SHARED}), S),
    # in source
    "source assignment": (make(source=f"PASSWORD = '{S}'\n"), S),
    "source annotation": (make(source=f"password: str | None = '{S}'\n"), S),
    "source argument": (make(source=f"connect('db', password=\"{S}\")\n"), S),
    "source dict": (make(source=f"x = {{'token': '{S}', 'a': 1}}\n"), S),
    "source item": (make(source=f"os.environ['API_KEY'] = '{S}'\n"), S),
    "source default": (make(source=f"os.getenv('PASSWORD', '{S}')\n"), S),
    "source fallback": (make(source=f"password = given or '{S}'\n"), S),
    "source comparison": (make(source=f"if password == '{S}':\n"), S),
    "source bytes": (make(source=f"SECRET_KEY = b'{S}'\n"), S),
    "source wrapper": (make(source=f"password = SecretStr('{S}')\n"), S),
    "source concatenation": (make(source=f"API_KEY = ('abc'\n    '{S}')\n"), S),
    "source list": (make(source=f"PASSWORDS = ['abc', '{S}']\n"), S),
    "source url": (make(source=f"connect('postgres://u:{S}@h/db')\n"), S),
    "source comment": (make(source=f"x = 1  # password={S}\n"), S),
    "source pem": (make(source=f'KEY = """{PEM}"""\n'), BODY),
    "source command": (make(source=f"run('mysql --password={S}')\n"), S),
    # what stays live
    "live": (make(live=pickle.dumps({"password": S})), S),
    "live with a secret that is known": (make({"password": S}, live=pickle.dumps(["x", S])), S),
}


@pytest.mark.parametrize("case", LEAKS)
def test_leak(case: str) -> None:
    """The secret was in the report, is nowhere in it afterwards, and it was counted."""
    report, secret = copy.deepcopy(LEAKS[case][0]), LEAKS[case][1]
    assert secret in everything(report)
    count = Redactor().report(report)
    assert secret not in everything(report)
    assert count > 0
    assert report["cuts"] == {"redacted": count}


KEPT: dict[str, Any] = {
    **{
        f"name {name}": make({name: "Some_value-12ab"})
        for name in (
            "tokenizer token_count token_type max_tokens author authority monkey keyboard key public_key primary_key secretary passenger "
            "compass cookie_jar_size password_field_id password_policy secret_name auth_url next_page_token pad_token bypass first_pass "
            "authenticated is_password tokenize_this session_factory has_password cache_key dsn_count keypass_theme oauth_scope"
        ).split()
    },
    "counts": make(
        {
            "tokens": 15,
            "max_tokens": 4096,
            "token": 70000,
            "session_id": 5,
            "prompt_tokens": 1234567,
        }
    ),
    "booleans": make(
        {
            "password": True,
            "has_password": False,
            "is_authenticated": True,
            "token": None,
            "secret": "",
        }
    ),
    "placeholders": make({"password": "********", "token": "None", "secret": "<redacted>"}),
    "empty containers": make({"passwords": [], "credentials": {}, "tokens": ()}),
    "words of a parser": make(
        {"tokens": ["the", "cat", "sat"], "x": "unexpected token 'import' in line 3"}
    ),
    "stand-ins under weak names": make(
        {
            "session": Thing("<Session at 0x7f12ab34cd56>", n=1),
            "auth": Thing("<Request GET /a/b1>", path="/a"),
        }
    ),
    "signature": make({"signature": "(a, b=1) -> int"}),
    "sha-1": make({"x": "commit da39a3ee5e6b4b0d3255bfef95601890afd80709"}),
    "uuid": make({"x": "123e4567-e89b-12d3-a456-426614174000"}),
    "base64": make({"x": "SGVsbG8gV29ybGQgMTIzNDU2Nzg5MA=="}),
    "url": make(
        {"x": "https://example.org/a/b?page=2&sort=key", "y": "http://host:8080/@scope/pkg@1.2"}
    ),
    "url with a user": make({"x": "ssh://git@host/repo", "y": "https://bob@example.org/"}),
    "e-mail": make({"x": "mail bob@example.org or a:b@c"}),
    "scp path": make({"x": "user@host:path/to", "y": "git@github.com:a/b.git"}),
    "working directory": make(
        {
            "environ": {
                "PWD": "/home/bob/project1",
                "OLDPWD": "/tmp/a1",
                "SSH_AUTH_SOCK": "/tmp/ssh-X1/agent.12",
            }
        }
    ),
    "message about a key": make(args=("password",), message="KeyError: 'password'"),
    "message about an argument": make(
        message="f() missing 2 required arguments: 'password' and 'token'"
    ),
    "message of a validator": make(
        message="password: must be longer, token: required, auth: login, secret: not set"
    ),
    "message about a module": make(message="No module named 'secrets.token1'"),
    "code in a message": make(
        message="connect(password=password, token=self.token, secret=%(secret)s)"
    ),
    "usage": make(message="usage: prog [--password PASSWORD] [--token TOKEN] [--auth]"),
    "prose about schemes": make(
        message="Basic authentication or Bearer authentication is needed; basic JavaScript"
    ),
    "fields": make(
        {
            "fields": ["username", "password"],
            "order": ("password", "username"),
            "argv": ["--token", "--verbose"],
        }
    ),
    "quotes of two literals": make(
        source='print("Cookie:", 1, "a1b2c3d4")\nprint("Set-Cookie:")\nx = "a1"\n'
    ),
    "docker user": make({"x": "docker run -u 1000:1000 image"}),
    "public key": make({"x": "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkq\n-----END PUBLIC KEY-----"}),
    "package names": make(
        {"x": "sk-learn hf_hub task-runner-with-a-long-name-1234567890 npm_config"}
    ),
    "mapping of a short word": make(
        {"password": None, "x": "the password, a token, and an api_key"}
    ),
    "code": make(
        source="password = getpass('Enter the password: ')\ntoken = tokens[0]\nif token == 'import':\n    pass\n"
    ),
    "code with names": make(
        source="PASSWORD = 'password'\nd = {'token_count': 'abc123xyz'}\nauth: 'Auth' = auth\n"
    ),
    "code with docs": make(
        source='def f(password, token):\n    """password: the password to use. token: a token."""\n'
    ),
    "code with options": make(
        source="add('--password', '-p', help='the password1 x')\nfields = ('password', 'username')\n"
    ),
    "live": make(
        {"x": ["live"]},
        live=pickle.dumps([1, {"password": None, "tokenizer": "abc", "has_password": True}]),
    ),
}


@pytest.mark.parametrize("case", KEPT)
def test_look_alike(case: str) -> None:
    """What only looks like a secret is left exactly as it was, and nothing is counted."""
    report = copy.deepcopy(KEPT[case])
    assert Redactor().report(report) == 0
    assert report == KEPT[case]


def test_node_says_what_was_there() -> None:
    """A hidden local refers to a node that names it; a text has the mark in the place of the
    secret.
    """
    report = make({"password": S, "x": f"a password={S} b"})
    Redactor().report(report)
    local = report["frames"][0]["locals"]
    assert report["values"][local["password"][0]] == ["redacted", "password"]
    assert local["x"] == f"a password={MARK} b"


def test_only_the_password_of_a_url() -> None:
    """User, host and path of a URL stay readable."""
    assert (
        Redactor().text(f"at postgres://bob:{S}@db:5432/app?x=1")
        == f"at postgres://bob:{MARK}@db:5432/app?x=1"
    )


def test_same_object_when_nothing_is_found() -> None:
    """A text without a secret is returned itself, not a copy."""
    text = "connect to host with the token bucket " * 3
    assert Redactor().text(text) is text


def test_alias_of_a_request() -> None:
    """An object that is also called `auth` keeps its structure, and what is secret in it goes by
    its own name.
    """
    request = Thing("<Request>", path="/a/b", method="GET", password=S)
    report = make({"request": request, "auth": request})
    Redactor().report(report)
    node = report["values"][report["frames"][0]["locals"]["auth"][0]]
    assert node[0] == "object" and node[3]["path"] == "/a/b" and node[3]["password"] != S


def test_unused_nodes_are_emptied() -> None:
    """What was only reachable through a hidden container does not stay in the table; what others
    use does.
    """
    shared = ["ab"]
    report = make({"credentials": {"short": ["pw"], "shared": shared}, "x": shared})
    Redactor().report(report)
    assert '"pw"' not in everything(report)
    assert report["values"][report["frames"][0]["locals"]["x"][0]] == ["list", 1, ["ab"]]


def test_cycles_and_depth() -> None:
    """Containers that hold themselves, or are nested ten thousand deep, are walked."""
    loop: list[Any] = [S]
    report = make({"passwords": loop})
    report["values"].append(["list", 2, [[len(report["values"])], [0]]])
    deep = [["list", 1, [[index + 1]]] for index in range(10_000)]
    report["values"] = [*deep, ["list", 1, [S]]]
    report["exceptions"][0]["args"] = None
    report["frames"][0]["locals"] = {"secrets": [0], "tokens": [5]}
    Redactor().report(report)
    assert S not in everything(report)


def test_live_views_replace_live_nodes() -> None:
    """When the pickle holds a secret, each live node becomes a copy of its view; an atom takes the
    place of the refs.
    """
    report = make({"a": 0, "b": 0}, live=pickle.dumps([{"api_key": S}, 7]))
    report["values"] = [["live", 0, [1]], ["object", 0, "<A>", {"n": 1}, {}], ["live", 1, 7]]
    report["exceptions"][0]["args"] = None
    report["frames"][0]["locals"] = {"a": [0], "b": [2]}
    Redactor().report(report)
    assert report["live"] is None
    assert report["values"][report["frames"][0]["locals"]["a"][0]] == [
        "object",
        0,
        "<A>",
        {"n": 1},
        {},
    ]
    assert report["frames"][0]["locals"]["b"] == 7


def test_live_under_a_secret_name() -> None:
    """An object that stays live under a secret name is not kept, though its pickle shows no name."""
    report = make({"a": 0}, live=pickle.dumps(["abc"]))
    report["values"] = [["live", 0, [1]], ["object", 0, "<A>", {}, {}]]
    report["exceptions"][0]["args"] = None
    report["frames"][0]["locals"] = {"password": [0]}
    Redactor().report(report)
    assert report["live"] is None
    assert report["values"][0][0] == "redacted"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_leaks(protocol: int) -> None:
    """A secret in a pickle is seen in every protocol, an innocent pickle passes."""
    leaks = Redactor().leaks
    assert leaks(pickle.dumps({"password": S}, protocol))
    assert leaks(pickle.dumps([f"Bearer {RANDOM}"], protocol))
    assert leaks(pickle.dumps({"a": f"x://u:{S}@h"}, protocol))
    assert not leaks(pickle.dumps({"tokenizer": "abc", "n": [1, 2], "author": "bob"}, protocol))


def test_missing_locals_and_repr() -> None:
    """A module's frame has no locals of its own, and a stand-in may have neither repr, attributes
    nor more.
    """
    report = make({"x": 1}, world={"password": S})
    report["frames"][0]["locals"] = None
    report["values"].append(["object", 0, None, None, None])
    assert Redactor().report(report) == 1


def test_damaged_source_is_dropped() -> None:
    """A source that cannot be unpacked cannot be searched, so it does not travel."""
    report = make()
    report["sources"]["a.py"] = b"no zlib"
    assert Redactor().report(report) == 1
    assert report["sources"] == {}


def test_extra_says_more() -> None:
    """The user's callable hides by name, by text, in messages and in sources."""
    report = make(
        {"badge": "4711-x", "y": "is fine"}, message="see 4711-x", source="badge = 'zz99-q'\n"
    )
    Redactor(lambda name, text: name == "badge").report(report)
    assert (
        "4711-x" not in everything(report)
        and "zz99-q" not in everything(report)
        and "is fine" in everything(report)
    )
    report = make({"y": "internal note"}, message="internal matter")
    Redactor(lambda name, text: "internal" in text).report(report)
    assert "internal" not in everything(report)


@pytest.mark.parametrize("problem", [ValueError, SystemExit, KeyboardInterrupt, RecursionError])
def test_extra_that_fails_means_secret(problem: type[BaseException]) -> None:
    """A callable that raises whatever it likes hides the value, and the error goes no further."""

    def extra(name: str, text: str) -> bool:
        raise problem

    report = make({"x": "some text"})
    Redactor(extra).report(report)
    assert "some text" not in everything(report)


@pytest.mark.parametrize(
    ("source", "redacted"),
    [
        ('PASSWORD = "hunter2xyz12"; x = 1', 'PASSWORD = "<redacted>**"; x = 1'),
        ('connect(password="abc", n=1)', 'connect(password="***", n=1)'),
        ('{"token": "hunter2xyz"}', '{"token": "<redacted>"}'),
        ('SECRET = """one1\n  two\n"""', 'SECRET = """****\n*****\n"""'),
        ('SECRET = "one1\\\ntwo"', 'SECRET = "****\\\n***"'),
        ("password = 'ä1ä2ä3'", "password = '*********'"),
        ("u = 'ftp://bob:hunter2xyz@h'", "u = 'ftp://bob:<redacted>@h'"),
    ],
)
def test_source_keeps_its_columns(source: str, redacted: str) -> None:
    """The filler has as many bytes as the literal had, the quotes and the ends of lines stay."""
    assert Redactor().source(source) == redacted


def test_whole_file_is_still_python() -> None:
    """A redacted source compiles, and every line is as long as it was."""
    source = "\n".join(
        case["sources"]["a.py"] and zlib.decompress(case["sources"]["a.py"]).decode()
        for case, _ in LEAKS.values()
        if case["sources"]
    )
    redacted = Redactor().source(source)
    assert redacted != source
    assert [len(line.encode()) for line in redacted.split("\n")] == [
        len(line.encode()) for line in source.split("\n")
    ]


words = st.sampled_from(
    f'password token = : " \' \\ \n , ; {S} {RANDOM} Bearer Basic --password Cookie: Authorization: :// @ : <redacted> is ( [ ] ) # """ a 1'.split(
        " "
    )
)
texts = st.one_of(st.text(), st.lists(words).map("".join), st.lists(words).map(" ".join))


@given(texts)
def test_text_twice_is_text_once(text: str) -> None:
    """Nothing that was left by the first pass is found by a second one, and no text makes it fail."""
    redactor = Redactor()
    once = redactor.text(text)
    assert redactor.text(once) == once


@given(st.text(alphabet="abcdefg 0123456789.,!?äöü\n", max_size=200))
def test_text_without_a_trigger_is_untouched(text: str) -> None:
    """Text in which no name and no shape can stand is the same object."""
    assert Redactor().text(text) is text


@given(texts)
def test_source_keeps_its_lines(text: str) -> None:
    """However broken a source is, each of its lines has as many bytes as before."""
    redacted = Redactor().source(text)
    assert [len(line.encode("utf-8", "surrogatepass")) for line in redacted.splitlines()] == [
        len(line.encode("utf-8", "surrogatepass")) for line in text.splitlines()
    ]


ADVERSARIAL = [
    "a", "password", "password=", "password ", "password='", 'token="\\"', "://a:", "://", "eyJ", "eyJhbGciOiJ.", "-----BEGIN PRIVATE KEY-----",
    "Bearer ", "bearer a", "Basic aaaa", "cookie: ", "--password ", "curl -u", "sk-", "\\", '"', "'''", "xoxb-", "authorization: token ",
    "expect {{{assword{{{", "expect (((\"password:\"", "fernet ", "a:5432:b:c:", "<a b", "<name>a", "<input value='a ", "ENV a ", "token ", "key ", "password: |\n a\n",
    "password for a", "password {", "token=[a", "password: a = ", "**a**:", "`", "password=Optional[", "/reset/a", "%22token%22%3A%22",
]  # fmt: skip


def seconds(piece: str, length: int) -> float:
    """What looking for secrets in a text of repeated pieces takes of the processor."""
    text = piece * (length // len(piece))
    redactor = Redactor()
    start = time.process_time()
    redactor.text(text)
    redactor.source(text)
    redactor.leaks(text.encode("latin-1"))
    return time.process_time() - start


# a prefix without a digit is no key, and here a digit is far away
FAR_DIGITS = ["sk-" * 80 + "1-", "sk-" * 600 + "1-"]


@pytest.mark.parametrize("piece", [*ADVERSARIAL, *FAR_DIGITS], ids=lambda piece: piece[-40:])
def test_time_is_linear(piece: str) -> None:
    """What patterns begin with, repeated, as text, source or pickle: twice as much takes twice as
    long.
    """
    times = []
    length = 10_000 if piece in FAR_DIGITS else 20_000  # the former take ten times as long
    for _ in range(5):  # on a busy machine a single measure may be wrong
        once, twice = seconds(piece, length), seconds(piece, 2 * length)
        times.append((once, twice))
        if twice < 3 * once + 0.02 and twice < 1.2:  # twice what the slowest takes
            return
    raise AssertionError(times)


def test_typical_report_is_fast() -> None:
    """Two hundred short values take about a millisecond once the patterns are made."""
    things = {
        f"name_{index}": Thing(f"<Thing number {index}>", text=f"some text {index}", n=index)
        for index in range(100)
    }
    redactor = Redactor()
    best = 1.0
    for _ in range(20):
        report = make({**things, "password": S})
        start = time.perf_counter()
        redactor.report(report)
        best = min(best, time.perf_counter() - start)
    assert best < 0.01  # ten times what it takes, for slow machines


def test_import_is_cheap() -> None:
    """The room compiles no shape when imported, and imports nothing outside of itself but the
    report's layout and the type of its option.
    """
    code = "import keeptrace.redact.redactor, keeptrace.redact.automaton as module; assert module._automaton is None"
    subprocess.run([sys.executable, "-c", code], check=True)
    room = Path(_redact.__file__).parent
    outside: set[str] = set()
    for path in room.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 2:
                outside.add(node.module or "")
    assert outside == {"core", "core.nodes", "core.report", "core.redaction"}
