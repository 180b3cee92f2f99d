"""The tables of redact/: each line has an example that is hidden, and a neighbour that is not."""

from __future__ import annotations

import http.client
import json
import types
import urllib.parse
import urllib.request
from typing import Any

import pytest
from test_redact_places import KEY, PASSWORD, WORD, dumped

import keeptrace
from keeptrace.redact import commands, words
from keeptrace.redact.names import grade
from keeptrace.redact.numbers import is_card_number
from keeptrace.redact.patterns import PATTERNS
from keeptrace.redact.redactor import Redactor
from keeptrace.redact.spans import GUESS, MARK, STRONG, WEAK

HEX = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
LETTERS = "qZ8rT4nW1xV7pL2mK9sD3fGhJ5"
BASE64 = LETTERS * 4

# What a pattern is called -> texts with the secret between "<" and ">", and a text that is left.
SHAPES: dict[str, tuple[tuple[str, ...], str]] = {
    "private key": (
        (
            f"<-----BEGIN PRIVATE KEY-----\n{BASE64}\n-----END PRIVATE KEY----->",
            f"<MIIEvQIBADANBgkqhkiG9w0BAQEFAASC{BASE64}>",
            f"<LS0tLS1CRUdJTi{BASE64}>",
            f"<-----BEGIN OpenVPN Static key V1-----\n{HEX}\n-----END OpenVPN Static key V1----->",
        ),
        "-----BEGIN PUBLIC KEY-----",
    ),
    "password in a URL": (
        (
            "postgres://bob:<x1>@db/app",
            "postgres://bob:<a/x1>@db/app",
            "jdbc:oracle:thin:bob/<x1>@db:1521/x",
            "bob/<x1y2>@db:1521/XE",
        ),
        "http://db:8080/x@y1z and postgres://bob:<password>@db",
    ),
    "key in a URL": ((f"https://<{HEX}>@o1.ingest.sentry.io/1",), "sftp://deploy-user-2024@host/x"),
    "bearer token": (("Bearer <a1b2c3d4>",), "Bearer authentication"),
    "basic authentication": (("Basic <Ym9iOng5>",), "basic Vectorizer2 settings"),
    "token of a header": (("Authorization: SSWS <00a1b2c3d4>",), "WWW-Authenticate: Token"),
    "JSON web token": (("<eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.c2ln>",), "eyJustAWord.x"),
    "webhook of Slack": ((f"https://hooks.slack.com/services/<T0/B0/{LETTERS}>",), "hooks.slack.com/services/x"),
    "webhook of Discord": (
        (f"https://discord.com/api/webhooks/161705266884476562/<{BASE64}>",),
        "https://discord.com/api/webhooks/161705266884476562",
    ),
    "webhook of Teams": ((f"https://a.webhook.office.com/b/IncomingWebhook/<{HEX}>",), "/IncomingWebhook/x"),
    "webhook of Zapier": (("hooks.zapier.com/hooks/catch/12/<a1b2c3>",), "hooks.zapier.com/hooks/catch/12"),
    "signature of a URL": ((f"https://a/b?sig=<{HEX}>",), "https://a/b?sig=none"),
    "token of Discord": (("<MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs>",), "Nested.module.name"),
    "token of Telegram": (
        ("110201543:<AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw5>", "https://api.telegram.org/bot<123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11>/getMe"),
        "https://api.telegram.org/bots",
    ),
    "key of Mailchimp": ((f"<{HEX}-us12>",), "the key-us12"),
    "secret of Azure": ((f"<abc8Q~{LETTERS}abcdefgh>",), "Q~ is no key"),
    "token of Azure DevOps": ((f"<{BASE64[:76]}AZDOa1b2>",), "an AZDO token"),
    "token of Terraform": ((f"<{LETTERS[:14]}.atlasv1.{BASE64[:64]}>",), "x.atlasv1.y"),
    "token of PayPal": (("<access_token$production$a1b2c3d4e5$" + HEX + ">",), "access_token$x"),
    "password in SQL": (
        (
            "CREATE USER bob IDENTIFIED BY '<x1y2>'",
            "ENCRYPTED PASSWORD '<x1y2>'",
            "SET PASSWORD FOR bob = '<x1y2>'",
            "SET PASSWORD FOR 'bob'@'%' = PASSWORD('<x1y2>')",
        ),
        "the resource identified by the request",
    ),
    "password in PowerShell": (
        ("ConvertTo-SecureString -String '<x1y2>' -AsPlainText -Force",),
        "ConvertTo-SecureString $text -AsPlainText",
    ),
    "password in a wireless network's code": (
        ("WIFI:T:WPA;S:net;P:<x1y2>;;", "WIFI:S:net;P:<x1y2>;T:WPA;;"),
        "WIFI: on; P: 3",
    ),
    "password in ODBC": (("UID=bob;PWD={<x1y2>};",), "{PWD}"),
    "password in .netrc": (("machine a login bob password <x1y2>",), "the login and password fields"),
    "password in .pgpass": (
        (
            "db:5432:shop:bob:<x1y2>",
            "no host in 'db.example.org:5432:*:bob:<h0rse>'",
            "the line db:5432:shop:bob:<h0rse>, is wrong",
            "in .pgpass: db:6000:shop:bob:<horse> is wrong",
        ),
        "db:5432:shop and views.py:5432:ERROR:main:failed and db:5432:shop:bob:5432 and a:5432:b:c:d "
        "and views.py:5432:12:E501:line too long and host:5432:users:select:timeout while reading",
    ),
    "password of a call": (
        (
            "server.login('bob@example.org', '<horse>')",
            "requests.auth.HTTPBasicAuth('bob', '<horse>')",
            "MySQLdb.connect('localhost', 'root', '<horse>', 'shop')",
            "requests.get(url, auth=('bob', '<horse9>'))",
        ),
        "self.login('bob') and signal.connect('button', 'clicked', 'handler') and auth('a', 'b')",
    ),
    "token of Twilio": ((f"Client('AC{HEX}', '<{HEX[::-1]}>')",), f"Client('AC{HEX}', name)"),
    "answer to a prompt": (
        (
            'expect "Password:"\nsend "<horse>\\r"',
            'expect -re ".*assword: $" { send -- "<horse>\\n" }',
            "child.expect('password:')\nchild.sendline('<horse>')",
            'child.expect("passphrase"); child.send("<horse>\\n")',
            'expect {\n "(yes/no)?" {send "yes\\r"; exp_continue}\n "assword:" {send "<horse>\\r"}\n}',
            "child.expect(['assword:', EOF])\nchild.sendline('<horse>')",
        ),
        'expect "password:"\nsend "$pw\\r"\nexpect "#"\nsend "uptime\\r" '
        'if wrong(password): mailer.send("hello") and expect(user.password).toBe(x); api.send("hello") '
        'and we expect "password reset" mails to be sent; send "hello world" first',
    ),
    "key of Fernet": (
        (f"Fernet('<{BASE64[:42]}Q=>')", f"cannot decrypt with <{BASE64[:20]}-_{BASE64[:20]}0=>"),
        f"encrypted, of digest {BASE64[:42]}Q= and {BASE64[:42]}B= and Fernet(some_key=1)",
    ),
    "token in a URL": (
        (f"https://a/b?key=<{HEX}>&q=1", f"https://a/b?q=1&appid=<{HEX}>: timed out", f"https://a/cb?code=<4/0A-{LETTERS}>"),
        "https://a/b?key=name&code=DE",
    ),
    "private part of a JSON web key": (
        (f'{{"kty": "RSA", "n": "a", "d": "<{BASE64}>"}}', f'{{"kty": "oct", "k": "<{LETTERS}>"}}'),
        f'{{"kty": "RSA", "n": "{BASE64}"}}',
    ),
    "key of Azure": (
        (f"<{BASE64[:76]}+AStAbCdEf==>", f"<{BASE64[:42]}AzSeDa1b2c>", f"<{BASE64[:33]}+ASbAbCdE=>"),
        "AzSearchClient and +AStar",
    ),
    "key of Azure OpenAI": ((f"<{BASE64[:52]}JQQJ99BAACYeBjFXJ3w3AAABACOGab12>",), "JQQJ99"),
    "token of a Facebook app": (("<123456789012345|a1b2c3d4e5f6a7b8c9d0e1f2a3b>",), "123456789012345|12"),
    "key of MaxMind": ((f"<a1B2c3_{LETTERS}abc_mmk>",), "the_mmk"),
    "key of New Relic": ((f"<eu01xx{HEX[:30]}NRAL>",), "NRAL"),
    "token of Asana": ((f"<1/1234567890123456:{HEX}>", f"<2/1234567890123456/1234567890123456:{HEX}>"), "1/2:3"),
    "token of Vault": ((f"<s.{LETTERS[:24]}>",), "s.someMethodNameOfASession"),
    "token of Twitter": ((f"<{'A' * 21}{LETTERS}%3D{LETTERS}>",), "A" * 60),
    "address of a webhook": (
        (
            f"https://chat.example.org/hooks/<{LETTERS}a>",
            "https://open.feishu.cn/open-apis/bot/v2/hook/<3d25c1a0-0000-4000-8000-00000000abcd>",
            f"https://hook.eu1.make.com/<{LETTERS}>",
            f"https://maker.ifttt.com/trigger/x/with/key/<{LETTERS}>",
        ),
        "https://api.github.com/repos/bob/shop/hooks/12345678/deliveries and /webhooks/stripe-payments-succeeded-v2",
    ),
    "token in a path": (
        (
            f"https://a.example/reset-password/<{LETTERS}>",
            f"https://a.example/accounts/reset/MQ/<c4o3xk-{HEX}>/",
            f"https://mainnet.infura.io/v3/<{HEX}>",
        ),
        "/reset-password/step-2-of-3 and /invite/a1b2 and /confirm/orders-of-2024 and alchemy.com/v2/docs",
    ),
    "token in a form": (
        (f"""<input value="<{KEY}>" name="csrf_token" type="hidden">""",),
        """<input value="red77x9y" name="colour"> <p>token</p>""",
    ),
    "secret in JSON in a URL": (("https://a/b?q=%7B%22password%22%3A%22<x1y2>%22%7D",), "a=%22name%22%3A%22x1y2%22"),
    "key of a seal": ((f"Unseal Key 1: <{LETTERS}>",), "Unseal Key 1: given"),
    "seed of NATS or Stellar": (
        (f"<SU{'QZ7RT4NW' * 7}>", f"<S{'QZ7RT4NW' * 6}ABCDEFG>"),
        "S" + "ACDEFGHIKLMNPQRSTVWY" * 2 + "ACDEFGHIKLMNPQR",
    ),
    "hash of a password": (
        (
            f"<$2b$12${BASE64[:53]}>",
            "<$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQxMjM$" + LETTERS + ">",
            f"bob:<$6$rounds=5000$saltsalt${BASE64[:86]}>:19000:0:99999:7:::",
            f"<pbkdf2_sha256$600000${LETTERS}${BASE64[:43]}=>",
            "<scrypt:32768:8:1$" + LETTERS + f"${HEX}{HEX}>",
        ),
        "$1 and $2 cost $5$",
    ),
    "private key of PuTTY": ((f"PuTTY-User-Key-File-2: ssh-rsa\nPrivate-Lines: 8\n<{BASE64}>",), "Private-Lines: 8"),
}  # fmt: skip


def test_each_pattern_has_an_example() -> None:
    """A pattern that is added to the table needs an example here."""
    assert {pattern.what for pattern in PATTERNS} == set(SHAPES)


@pytest.mark.parametrize("what", SHAPES)
def test_a_shape_is_hidden(what: str) -> None:
    """The secret is replaced by the mark, in a text of its own and in a sentence; the neighbour is
    left.
    """
    examples, neighbour = SHAPES[what]
    redactor = Redactor()
    for example in examples:
        text = example.replace("<", "").replace(">", "")
        secret = example[example.index("<") + 1 : example.rindex(">")]
        assert secret not in redactor.text(text), text
        assert secret not in redactor.text(f"failed: {text} (403)") or "\n" in text or ":" in text
    assert redactor.text(neighbour) is neighbour


@pytest.mark.parametrize("name", sorted(words.NAMES))
def test_a_name_is_known(name: str) -> None:
    """A random value is hidden under each name, also with a word before it; the name of a field is
    no secret's.
    """
    found = words.NAMES[name]
    assert grade(name) in (found, STRONG)
    for asked in (name, f"db_{name}", f"{name}_value"):
        if name == "session" and asked != name:
            continue  # a word before it, as in `training_session`, says what kind of session it is
        if name != "pass" or asked == "db_pass":
            assert LETTERS not in Redactor().text(f'{{"{asked}": "{LETTERS}"}}'), asked
    assert grade(f"has_{name}") == 0
    assert grade(f"{name}_field_id") == 0


def test_the_grades_differ() -> None:
    """A word is hidden under a strong name, an opaque text under a weak name, a random text under a
    guessed name.
    """
    redactor = Redactor()
    hides = {
        found: [text for text in (WORD, "abc12def9", LETTERS) if text not in redactor.text(f'{{"{name}": "{text}"}}')]
        for name, found in (("password", STRONG), ("token", WEAK), ("salt", GUESS))
    }  # fmt: skip
    assert hides[STRONG] == [WORD, "abc12def9", LETTERS]
    assert hides[WEAK] == ["abc12def9", LETTERS]
    assert hides[GUESS] == [LETTERS]


@pytest.mark.parametrize("vendor", sorted(words.EVERYDAY_VENDORS))
def test_an_everyday_word_before_a_key(vendor: str) -> None:
    """`segment_key = "row"` names no company's key, and a random value is hidden all the same."""
    redactor = Redactor()
    text = f"{{'{vendor}_key': 'row_of_{vendor}'}}"
    assert redactor.text(text) is text
    assert LETTERS not in redactor.text(f"{{'{vendor}_key': '{LETTERS}'}}")


@pytest.mark.parametrize("program", sorted(commands.PROGRAMS))
def test_a_program_is_known(program: str) -> None:
    """The value of each option is hidden, in a text and in a list; the argument of another option
    is left.
    """
    for option in commands.PROGRAMS[program].split():
        words_of = program.split()
        joined = option.endswith("*")
        arguments = (
            [*words_of, f"{option[:-1]}{PASSWORD}"] if joined else [*words_of, option, PASSWORD]
        )
        assert PASSWORD not in Redactor().text(" ".join(arguments)), arguments
        found = [arguments[at][start:end] for at, start, end in commands.passwords(arguments)]
        assert found == [PASSWORD]
    neighbour = [*program.split(), "--colour", "red77"]
    assert not list(commands.passwords(neighbour))


@pytest.mark.parametrize("place", sorted(commands.POSITIONS))
def test_a_position_is_known(place: str) -> None:
    """The argument at the position is the password; the one before it is none."""
    names = place.split()
    arguments = [*names, *["x"] * commands.POSITIONS[place], PASSWORD, "-v"]
    for given in (arguments, [names[0], "-q", *arguments[1:]]):
        assert [given[at] for at, _, _ in commands.passwords(given)] == [PASSWORD], given
    assert PASSWORD not in Redactor().text(" ".join(arguments))
    assert not list(commands.passwords([*names, *["x"] * commands.POSITIONS[place]]))


@pytest.mark.parametrize("program", sorted(commands.USERS))
def test_a_user_is_known(program: str) -> None:
    """The password behind the user is hidden, and the user is left; a value without the sign is
    left.
    """
    option, sign = commands.USERS[program]
    value = f"bob{sign}{PASSWORD}"
    arguments = [program, *([option] if option else []), value]
    if option.endswith("*"):
        arguments = [program, option[:-1] + value]
    assert [arguments[at][start:end] for at, start, end in commands.passwords(arguments)] == [
        PASSWORD
    ]
    text = Redactor().text(" ".join(arguments))
    assert PASSWORD not in text and "bob" in text
    assert not list(commands.passwords([program, *([option] if option else []), "bob77"]))


COMMANDS_HIDDEN = (
    "aws configure set aws_secret_access_key {}",
    "npm config set //registry.npmjs.org/:_authToken {}",
    "influx -username a -password {}",
    "echo bob:{} | chpasswd",
    "echo '{}' | sudo -S true",
    "echo {} | docker login -u bob --password-stdin",
)
COMMANDS_KEPT = (
    "aws configure set region eu-central-77x9y8",
    "git config user.email bob77x@example.org",
    "no user -password given",
    "echo $PASSWORD | docker login -u bob --password-stdin",
    "echo bob77x9y8 | tee passwords.txt",
    "net user bob /add",
    "openssl req -key key77x9.pem",
    "http GET example.org/a/b7",
)


@pytest.mark.parametrize("command", COMMANDS_HIDDEN)
def test_a_command_is_hidden(command: str) -> None:
    """A password behind its name, and one that is piped into a program."""
    assert PASSWORD not in Redactor().text(command.format(PASSWORD))


@pytest.mark.parametrize("command", COMMANDS_KEPT)
def test_a_command_is_shown(command: str) -> None:
    """Settings, options and variables without a password are the same object afterwards."""
    assert Redactor().text(command) is command


PLACES_HIDDEN: dict[str, tuple[Any, str]] = {
    "part of a form with a type": (
        f'--b\r\nContent-Disposition: form-data; name="api_key"\r\nContent-Type: text/plain\r\n\r\n{WORD}\r\n--b--',
        WORD,
    ),
    "values of an insert": (f"INSERT INTO users (name, password) VALUES ('bob', '{WORD}'), ('eve', '{KEY}')", WORD),
    "second row of an insert": (f"INSERT INTO users (name, password) VALUES ('bob', 'x'), ('eve', '{KEY}')", KEY),
    "manifest in YAML": (f"kind: Secret\nmetadata:\n  name: shop\ndata:\n  user: YQ==\n  settings: {KEY}\n", KEY),
    "manifest with text": (f"apiVersion: v1\nstringData:\n  conf: |\n    level: {WORD}\nkind: Secret\n", WORD),
    "manifest in JSON": (f'{{"kind": "Secret", "data": {{"user": "YQ==", "settings": "{KEY}"}}}}', KEY),
    "lines of a key": (["-----BEGIN EC PRIVATE KEY-----", BASE64, KEY, "-----END EC PRIVATE KEY-----", "end"], KEY),
    "lines of a key in bytes": ((b"-----BEGIN PRIVATE KEY-----\n", b"ab\n", KEY.encode(), b"-----END"), KEY),
    "card in a text": ("card_number=4111111111111111 exp=12/29", "4111111111111111"),
    "card in JSON": ('{"creditCard": "4111-1111-1111-1111"}', "4111-1111"),
    "header of a message": ([("Authorization", f"Token {KEY}")], KEY),
    **{f"word {word}": ({word: KEY}, KEY) for word in sorted(words.FOREIGN)},
    **{f"text with the word {word}": (f"{word}={KEY}", KEY) for word in sorted(words.FOREIGN)},
}  # fmt: skip
PLACES_KEPT: dict[str, Any] = {
    "part of a form": 'Content-Disposition: form-data; name="colour"\r\nContent-Type: text/plain\r\n\r\nred77',
    "an insert of others": "INSERT INTO users (name, colour) VALUES ('bob', 'red77')",
    "places of an insert": "INSERT INTO users (name, password) VALUES (%s, '%s')",
    "a manifest of another kind": "kind: ConfigMap\ndata:\n  settings: a1b2c3d4e5f6\n",
    "a manifest that names a secret": "kind: Deployment\nspec:\n  secretName: db\ndata:\n  settings: a1b2c3d4e5\n",
    "the document after a secret": "kind: Secret\n---\nkind: ConfigMap\ndata:\n  settings: a1b2c3d4e5\n",
    "lines of a public key": ["-----BEGIN PUBLIC KEY-----", "MFkwEwYHKoZIzj0CAQ", "-----END PUBLIC KEY-----"],
    "number of an order": "card_number=4111111111111112",
    "image with a port": "registry/shop@sha256:0a1b2c3d",
}  # fmt: skip


@pytest.mark.parametrize("case", PLACES_HIDDEN)
def test_a_secret_at_its_place_is_hidden(case: str, tmp_path: Any) -> None:
    """Forms, statements, manifests, keys as lines, cards, and names in other alphabets."""
    value, secret = PLACES_HIDDEN[case]
    assert secret in dumped(tmp_path, value, redact=False, include_source=False)
    assert secret not in dumped(tmp_path, value, include_source=False)


@pytest.mark.parametrize("case", PLACES_KEPT)
def test_the_same_place_without_a_secret_is_shown(case: str, tmp_path: Any) -> None:
    """The neighbour of each place is as it is without redaction."""
    told = dumped(tmp_path, PLACES_KEPT[case], include_source=False)
    assert MARK not in told and '["redacted"' not in told


# What is left -> its neighbour that is hidden, and the secret of the neighbour.
INNOCENTS: dict[str, tuple[Any, Any, str]] = {
    "a parser's token": (
        {"token": types.SimpleNamespace(type="NAME", value="var_a1b2c3d4", lineno=3)},
        {"token": types.SimpleNamespace(kind="access", value="var_a1b2c3d4")},
        "var_a1b2c3d4",
    ),
    "a count of a word": ({"word_counts": {"password": 1712}}, {"password": 1712195308}, "1712195308"),
    "a count in a text": ("Counter({'password': 1712})", "{'password': '1712195308'}", "1712195308"),
    "a code is no count": ({"line": 1712}, {"cvc": 171}, '"171"'),
    "errors of a form": (
        {"password": [{"message": "This field is required.", "code": "required"}]},
        {"password": [{"first": WORD}]},
        WORD,
    ),
    "a complaint": ({"password": ["Too short"]}, {"password": [WORD]}, WORD),
    "the name of a complaint": ({"password": "too_short"}, {"password": "two_shores"}, "two_shores"),
    "the definition of a column": ({"password": "character varying(60) NOT NULL"}, {"password": f"{WORD}(60) or so"}, WORD),
    "a type of SQLAlchemy": ({"secret": "LargeBinary", "password": "Text()"}, {"secret": "LargeBinar1"}, "LargeBinar1"),
    "a type of numpy": ({"password": "O", "secret": "<U10"}, {"password": "Opq"}, "Opq"),
    "a type of Python": ({"api_key": "Optional[str]", "token": "str | None"}, {"api_key": "Optional1"}, "Optional1"),
    "a part of a path": (
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf",
        f"the secret:{PASSWORD}",
        PASSWORD,
    ),
    "the name of a value in help": ("-p, --password TEXT  of the user", f"app --password {WORD} of", WORD),
    "files of a copy": ("mkdir -p a/x86_64 && cp -u a1:b2x c3", f"app -u a1:{PASSWORD}", PASSWORD),
    "address of mail": ("Bob:bob77@example.org", f"bob:{PASSWORD}@example.org", PASSWORD),
    "prose about what is identified": (
        "no resource identified by 'orders' was found",
        f"GRANT ALL ON a TO b identified by '{WORD}'",
        WORD,
    ),
    "address of the sixth version": ("http://[::1]:8080/a@b", f"http://bob:a/{WORD}@b", WORD),
    "a list in YAML": ("secrets:\n    - db_password\n", f"secrets: {WORD}\n", WORD),
    "a verdict": ("1 passed, pass: test_a1", f"pass: {PASSWORD}", PASSWORD),
}  # fmt: skip


@pytest.mark.parametrize("case", INNOCENTS)
def test_an_innocent_and_its_neighbour(case: str, tmp_path: Any) -> None:
    """What could be no secret is shown under a secret's name; its neighbour is hidden."""
    kept, hidden, secret = INNOCENTS[case]
    told = dumped(tmp_path, kept, include_source=False)
    assert MARK not in told and '["redacted"' not in told
    if secret != '"171"':
        assert secret in dumped(tmp_path, hidden, redact=False, include_source=False)
    assert secret not in dumped(tmp_path, hidden, include_source=False)


ROWS_HIDDEN: dict[str, tuple[Any, str]] = {
    "environment of a container": ([{"name": "PORT", "value": "80"}, {"name": "DB_PASSWORD", "value": WORD}], WORD),
    "parameters of a stack": ({"ParameterKey": "DBPassword", "ParameterValue": WORD}, WORD),
    "parameter of a store": ({"Name": "/prod/db/password", "Type": "SecureString", "Value": WORD}, WORD),
    "tags": ([{"Key": "api_key", "Value": KEY}], KEY),
    "header of an archive": ([{"name": "X-Api-Key", "value": KEY}], KEY),
    "cookie of an archive": ([{"name": "sessionid", "value": KEY, "path": "/"}], KEY),
    "row of settings": ({"setting": "smtp_password", "val": WORD}, WORD),
    "one-time code": ({"name": "otp", "value": 493817}, "493817"),
    "object": (types.SimpleNamespace(name="client_secret", value=WORD), WORD),
    "private attributes": (types.SimpleNamespace(_name="DB_PASSWORD", _value=WORD), WORD),
    "attribute pattern": ({"k": "password", "v": WORD}, WORD),
    "bytes": ({b"name": b"password", b"value": WORD.encode()}, WORD),
    "error of a validator": ([{"loc": ("body", "password"), "msg": "too short", "input": WORD}], WORD),
    "JSON": (json.dumps([{"name": "DB_PASSWORD", "value": "x1"}]), "x1"),
    "JSON with a member between": ('{"Name": "/db/password", "Type": "String", "Value": "x1"}', "x1"),
    "JSON within a text": (json.dumps(json.dumps({"name": "password", "value": "x1y"})), "x1y"),
    "YAML": (f"env:\n- name: DB_PASSWORD\n  value: {WORD}\n", WORD),
    "repr": ("EnvVar(name='DB_PASSWORD', value='x1')", "x1"),
    "short form of a command": (f"ParameterKey=DBPassword,ParameterValue={WORD}", WORD),
    "element": ('<input name="password" type="password" value="x1">', "x1"),
    "element of a configuration": ('<add key="ClearTextPassword" value="x1" />', "x1"),
    "message of pydantic": (
        "1 validation error for User\npassword\n  String should have at least 12 characters "
        f"[type=string_too_short, input_value='{WORD}', input_type=str]\n",
        WORD,
    ),
    "named items": (urllib.parse.urlsplit(f"https://bob:{WORD}@db/x"), WORD),
    "request": (urllib.request.Request("http://bob:x1@db/x"), "x1"),
    "connection": (http.client.HTTPConnection("db"), "never"),
    "host": ({"host": f"bob:{WORD}@db:5432"}, WORD),
    "host of a text": (f"netloc='bob:{WORD}@db'", WORD),
    "port of a host": (f"nonnumeric port: '{WORD}@db'", WORD),
    "host in a sentence": (f"cannot reach bob:{KEY}@db:5432 today", KEY),
}  # fmt: skip
del ROWS_HIDDEN["connection"]


@pytest.mark.parametrize("case", ROWS_HIDDEN)
def test_the_value_of_a_record_is_hidden(case: str, tmp_path: Any) -> None:
    """A name and its value as two members of a record: the value is judged by the name beside it."""
    value, secret = ROWS_HIDDEN[case]
    assert secret in dumped(tmp_path, value, redact=False, include_source=False)
    told = dumped(tmp_path, value, include_source=False)
    if len(secret) > 3:
        assert secret not in told
    else:
        assert f"{secret}@" not in told and f'"{secret}' not in told and f"'{secret}" not in told


ROWS_KEPT: dict[str, Any] = {
    "a number": {"name": "password", "value": 3},
    "metrics": [{"name": "password", "value": 0.25}, {"name": "secret", "value": 12345}],
    "a type": {"name": "password", "type": "string"},
    "a type as a value": {"name": "password", "value": "string"},
    "field of a form": {"name": "password", "type": "password", "label": "Password", "value": "", "required": True},
    "a sentence": {"name": "password", "value": "the password of the user is required"},
    "a word of prose": {"name": "password", "value": "required"},
    "a label": {"name": "password", "value": "Password"},
    "choices": [{"label": "Password", "value": "password"}, {"label": "Token", "value": "token"}],
    "a parser's token": {"type": "NAME", "name": "token", "value": "running"},
    "count of tokens": {"name": "token_count", "value": "4711abc9"},
    "key of a cache": {"key": "user:1:profile", "value": "a1b2c3d4e5f6g7"},
    "an error without an input": [{"loc": ("body", "password"), "msg": "Field required", "input": None}],
    "the next record": "- name: password\n- name: colour\n  value: red77\n",
    "another record in JSON": '[{"name": "password"}, {"name": "colour", "value": "red77"}]',
    "a reference": "- name: DB_PASSWORD\n  valueFrom:\n    secretKeyRef:\n      name: db\n",
    "user of mail": "mailto:carol77x@example.org",
    "path of scp": "scp bob@host:/srv/x a:b@c",
    "an image": "redis:7.2@sha256:0a1b2c3d4e5f60718293",
    "address of a host": {"host": "db.example.org:5432", "netloc": "bob@db"},
}  # fmt: skip


@pytest.mark.parametrize("case", ROWS_KEPT)
def test_a_record_without_a_secret_is_shown(case: str, tmp_path: Any) -> None:
    """Definitions of fields, counts, labels and addresses are as they are without redaction."""
    assert MARK not in (told := dumped(tmp_path, ROWS_KEPT[case], include_source=False))
    assert '["redacted"' not in told


def test_variables_of_a_loop_are_a_record(tmp_path: Any) -> None:
    """`for name, value in settings` has the name in one variable and the secret in another."""
    try:
        exec("for name, value in s.items(): raise ValueError(name)", {"s": {"DB_PASSWORD": WORD}})
    except ValueError as exc:
        data = keeptrace.dumps(exc.with_traceback(exc.__traceback__.tb_next))  # type: ignore[union-attr]
    assert WORD.encode() not in data


def test_a_record_in_a_source(tmp_path: Any) -> None:
    """The rule holds for the literals of a source that travels, and not for its names."""
    told = dumped(tmp_path, 1, line=f"env = [dict(name='DB_PASSWORD', value='{WORD}')]")
    assert WORD not in told
    line = "field = dict(name='password', value=str)"
    assert line in dumped(tmp_path, 1, line=line)


def test_a_password_that_reads_like_a_name(tmp_path: Any) -> None:
    """A secret that ends with a secret's name is searched elsewhere; the name of a field is not."""
    told = dumped(tmp_path, {"password": "shorty77pw"}, "no user with shorty77pw")
    assert "shorty77pw" not in told
    assert "no password2" in dumped(tmp_path, {"password": "password2"}, "no password2")


@pytest.mark.parametrize("name", sorted(words.HOSTS))
def test_a_host_is_known(name: str, tmp_path: Any) -> None:
    """Under each name the password before a host is hidden; the user and the host are left."""
    told = dumped(tmp_path, {name: "bob:x1y@db:5432"})
    assert "x1y" not in told and f"bob:{MARK}@db:5432" in told
    assert MARK not in dumped(tmp_path, {name: "db:5432"})


@pytest.mark.parametrize(
    "later", ["${DB_PASSWORD}", "$DB_PASSWORD", "{password}", "%(password)s", "%s", "***"]
)
def test_the_name_of_a_later_password_in_a_url(later: str) -> None:
    """A password that is filled in later, or that a library hid, is no secret; with more around it,
    it may be one.
    """
    for secret, is_hidden in ((later, False), (f"{later}x1", True)):
        text = f"connect to postgres://bob:{secret}@db/x"
        found = str(keeptrace.loads(keeptrace.dumps(ValueError(text))))
        assert (found != text) is is_hidden


@pytest.mark.parametrize(
    "text, is_card",
    [
        ("5555-5555-5555-4444", True),  # doubled digits above nine
        ("3782 822463 10005", True),
        ("5555-5555-5555-4445", False),
        ("424242424242", False),  # too short
        ("4242 4242 4242 424x", False),
        ("٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢", False),  # digits of another script
    ],
)
def test_check_digits_of_cards(text: str, is_card: bool) -> None:
    """A number is a card's if its length and its check digit are."""
    assert is_card_number(text) is is_card
