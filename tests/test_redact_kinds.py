"""Kinds of secrets and of innocents as programs have them, each with several examples.

In HIDDEN, the secret stands between "‹" and "›"; a text of KEPT has no secret.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Final

import pytest
from test_redact_places import KEY, dumped

from keeptrace.redact.names import grade
from keeptrace.redact.redactor import Redactor
from keeptrace.redact.spans import GUESS, STRONG, WEAK

# What a name is -> the grade, and names.
GRADES: dict[str, tuple[int, str]] = {
    "a password of an owner, joined": (STRONG, "dbpass adminpass SUDOPASS requirepass trustStorePass"),
    "a word between owner and pass": (STRONG, "RABBITMQ_DEFAULT_PASS db_old_pass"),
    "a pass of somebody else": (0, "forward_pass boarding_pass default_pass"),
    "a word with pass at its end": (0, "bypass compass trespass highpass has_dbpass"),
    "a service behind the name": (STRONG, "password_db api_key_openai PASSPHRASE_KUCOIN"),
    "another word behind the name": (0, "password_db_id token_user_name secret_garden"),
    "keys of one kind": (GUESS, "signing_keys FERNET_KEYS jwtKeys"),
    "a qualifier behind a foreign word": (STRONG, "senha_banco wachtwoord_db kennwort_alt пароль_бд"),
    "a field with a foreign word": (0, "senha_field_id passwort_label haslo_len"),
    "a foreign key": (STRONG, "chiave_privata claveAcceso cle_api llave_secreta kata_sandi mat_khau"),
    "a foreign word with another meaning": (WEAK, "parola jeton sandi"),
    "a key of object storage": (GUESS, "storage_key azure_storage_key"),
}  # fmt: skip


@pytest.mark.parametrize("what", GRADES)
def test_the_grade_of_a_kind_of_names(what: str) -> None:
    """Names of one kind have one grade."""
    expected, names = GRADES[what]
    assert {name: grade(name) for name in names.split()} == dict.fromkeys(names.split(), expected)


@pytest.mark.parametrize("name", ["senha_banco", "пароль_бд", "dbpass", "FERNET_KEYS", "cle_api"])
def test_such_a_name_hides_in_values_and_in_texts(name: str, tmp_path: Any) -> None:
    """The tables of names and of their stems agree."""
    assert KEY not in dumped(tmp_path, {name: KEY}, include_source=False)
    assert KEY not in dumped(tmp_path, f"the line {name}={KEY} is wrong", include_source=False)


LONG: Final = "k9Zq7tRw3Xv8Lm2Pb5"
HEX: Final = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
HIDDEN: dict[str, tuple[str, ...]] = {
    "a phrase without quotes": (
        "mnemonic: ‹witch collapse practice feed shame open despair creek road again ice least›",
        "SEED_PHRASE=‹witch collapse practice feed shame open despair creek road again ice least›\n",
    ),
    "a type before the value": (
        'let api_key: &str = "‹swordfish›";',
        'const apiKey: string = "‹swordfish›";',
        'val password: String? = "‹swordfish›"',
        "password: Optional[str] = '‹swordfish›'",
    ),
    "a name in a column": ("password                        = ‹swordfish›",),
    "the value of a block": (
        'variable "db_password" {\n  type = string\n  default = "‹swordfish›"\n}',
        '{"outputs": {"db_password": {"value": "‹swordfish›", "type": "string"}}}',
    ),
    "a block of YAML": ("api_key: >-\n  ‹swordfish›\nport: 5", "password: |\n  ‹one two\n  three›\nport: 5"),
    "an element with attributes": (
        '<wsse:Password Type="x#PasswordText">‹swordfish›</wsse:Password>',
        '<property name="hibernate.connection.password">‹swordfish›</property>',
        "<password><![CDATA[‹swordfish›]]></password>",
    ),
    "elements side by side": (
        "<property><name>fs.s3a.secret.key</name><value>‹swordfish›</value></property>",
        "<key>password</key>\n\t<string>‹swordfish›</string>",
    ),
    "a statement that sets a variable": (
        "FROM x\nENV API_TOKEN ‹Sunny-Day12!›\nRUN y",
        "setenv DB_PASSWORD '‹Sunny-Day12!›'",
        "proxy_set_header X-Api-Key ‹Sunny-Day12!›;",
    ),
    "a line of a compound name": ("requirepass ‹Sunny-Day12!›", "remote_password ‹Sunny-Day12!›"),
    "a key behind its name": (
        f"the token ‹{LONG}› has expired",
        f"using API key ‹{LONG}› for the request",
        f"AUTH ‹{LONG}›",
        f"api_key\t‹{HEX}›",
    ),
    "a name in two words": ("API key: ‹swordfish›", f"Incorrect API key provided: ‹{LONG}›.", "OTP code: ‹482197›"),
    "an answer to a prompt": (
        f"[sudo] password for bob: ‹{LONG}›",
        f"Enter passphrase for key '/home/bob/.ssh/id_rsa': ‹{LONG}›",
    ),
    "a mark of text": ("**Password:** ‹swordfish›", "- Password: `‹swordfish›`", f"secret=<‹{LONG}›>"),
    "a member of a page": (f'<meta name="csrf-token" content="‹{LONG}›">',),
    "a value of a getter": (f'token=read_token("‹{LONG}›")',),
}  # fmt: skip
KEPT: dict[str, tuple[str, ...]] = {
    "a key of a mapping": (
        'No such key "a1b2c3d4e5f60718" in bucket',
        "no value for key 'a1b2c3d4e5f60718'",
        f"document key: {HEX}",
    ),
    "a place in a command": ("userpass=%s:%s", "api_key=$API_KEY2"),
    "a field of a form": ("passord_felt=abc1", "senha_campo=abc1"),
    "a word of a parser": (
        "unexpected token 'a1b2c3d4e5' at line 3",
        "no viable alternative at token 'a1b2c3d4e5'",
        "missing token: RPAREN2",
        f"expected token {LONG} here",
    ),
    "the place of a value": (
        "password=os.environ['PW2']",
        "password=env:DB_PASSWORD2",
        "api_key=settings.API_KEY2",
        'api_key=config["key1"]',
        'password=get_secret("db/prod1")',
        "password=getpass.getpass()",
        "PASSWORD=`cat /run/secrets/db1`",
    ),
    "a type": ("password: Optional[str] = None", "token: list[Token2]"),
    "a class of a regular expression": ("token=[a-z0-9]+", "password=[A-Z1]{8}"),
    "a place of a database": ("(CONNECT_DATA=(SID=ORCL19C))", "sid=HG00096 pos=1", "dsn=warehouse2"),
    "a database behind an option": ("mysql -P 3307 -u bob -p shop2",),
    "an instruction": ("mnemonic=vfmadd213ps", "mnemonic: MOVAPS xmm0"),
    "an id behind a name": (
        f"secret {HEX} not found",
        f"token {HEX} at 3",
        "token 0xdAC17F958D2ee523a2206206994597C13D831ec7",
        "secret db-cred-7f9a8b7c6d is forbidden",
        "password 3f2b8c2d-7a61-4c5e-9d1f-8e0b6a4c2d19 rotated",
    ),
    "text of a page": (
        '<p id="password">Choose a password of 12 signs</p>',
        '<label class="password">Password</label>',
        '<token id="1">Berlin24</token>',
        "<name>colour</name><value>red77</value>",
    ),
    "lines of two words": ("password   VARCHAR(128)", "token  float64", "secret    noun7", "db_password  object"),
    "a verdict on a user": ("wrong password for bob77: InvalidCredentials", "search for token: found"),
    "a code of something else": ("user code: ignore", "security code: path"),
    "a catalogue of translations": ('msgid "password"\nmsgstr "passord"\n\nmsgid "last login"\n',),
    "two names of classes": ("['SecretToken', 'SecretTokenInfo']", '("AccessToken", "AccessTokenInfo")'),
    "an option and its verb": ("option --api-key requires argument API_KEY2",),
    "a type of a column": ("| `password` | `VARCHAR(128)` |",),
}  # fmt: skip


@pytest.mark.parametrize("what", HIDDEN)
def test_a_kind_of_secret_in_a_text(what: str) -> None:
    """The secret is hidden, and all around it is left."""
    for example in HIDDEN[what]:
        before, _, rest = example.partition("‹")
        secret, _, after = rest.partition("›")
        text = Redactor().text(before + secret + after)
        assert secret not in text, text
        assert text.startswith(before) and text.endswith(after), text


@pytest.mark.parametrize("what", KEPT)
def test_a_kind_of_innocent_in_a_text(what: str) -> None:
    """Nothing is hidden: the text is the same object."""
    for text in KEPT[what]:
        assert Redactor().text(text) is text


VALUES_KEPT: dict[str, Any] = {
    "a vector of a word": {"password": [0.25, 0.5]},
    "the tag of a word": [("secret", "NN1")],
    "a path of a secret": {"secret": "/run/secrets/db_password1"},
    "a syllable": {"cvc": "CVCVC"},
    "an instruction": {"mnemonic": "vfmadd213ps"},
    "a key of object storage": {"storage_key": "user/17ab/avatar9f3.png"},
}


@pytest.mark.parametrize("what", VALUES_KEPT)
def test_a_kind_of_innocent_value(what: str, tmp_path: Any) -> None:
    """A dump shows what it shows without redaction."""
    value = VALUES_KEPT[what]
    assert '"redacted"' not in dumped(tmp_path, value, include_source=False)


VALUES_HIDDEN: dict[str, tuple[Any, str]] = {
    "a phrase for a seed": ({"mnemonic": "legal winner thank year wave"}, "legal winner"),
    "a check code": ({"cvc": "7391"}, "7391"),
    "a password with slashes": ({"password": "/aB3x/Kq9Z"}, "/aB3x"),
    "bytes of a key": ({"secret_key": [17, 253, 91, 7]}, "253"),
    "a key of a storage account": ({"storage_key": LONG * 3 + "=="}, LONG),
}


@pytest.mark.parametrize("what", VALUES_HIDDEN)
def test_the_neighbour_of_an_innocent_value(what: str, tmp_path: Any) -> None:
    """What the rule for innocents leaves is hidden as before."""
    value, secret = VALUES_HIDDEN[what]
    assert secret in dumped(tmp_path, value, redact=False, include_source=False)
    assert secret not in dumped(tmp_path, value, include_source=False)


LOGIN = "user=%s password=%s from %s"
UPDATE = "UPDATE users SET password = ?, seen = ? WHERE id = ?"
INSERT = "INSERT INTO users (name, password) VALUES (%s, %s)"
PLACES: dict[str, tuple[dict[str, Any], str]] = {
    "arguments of a log": ({"msg": LOGIN, "args": ("bob77", "swordfish", "h1")}, "swordfish"),
    "parameters of an update": ({"sql": UPDATE, "params": ["swordfish", 5, 17]}, "swordfish"),
    "parameters of an insert": ({"query": INSERT, "args": ("bob77", "swordfish")}, "swordfish"),
    "rows of an insert": (
        {"statement": INSERT, "parameters": [("bob77", "x"), ("eve", "swordfish")]},
        "swordfish",
    ),
}


@pytest.mark.parametrize("what", PLACES)
def test_values_are_named_by_the_text_beside_them(what: str, tmp_path: Any) -> None:
    """The value of a place behind a secret's name is hidden, and the other values are left."""
    held, secret = PLACES[what]
    text = dumped(tmp_path, SimpleNamespace(**held), include_source=False)
    assert secret not in text
    assert "bob77" in text or "17" in text


def test_values_without_a_name_are_left(tmp_path: Any) -> None:
    """Values under other names, and under a word that a sentence has, are shown."""
    held = [
        SimpleNamespace(msg="colour=%s of the password", args=("red77x9y", "b2c3d4e5")),
        SimpleNamespace(sql="SELECT password FROM users WHERE name = ?", params=("bob77x9y",)),
        SimpleNamespace(query="password reset", args=("c3d4e5f6",)),
    ]
    assert '"redacted"' not in dumped(tmp_path, held, include_source=False)


SENTENCES: dict[str, tuple[tuple[str, ...], bool]] = {
    "a key behind a sentence": (("bad token", LONG), True),
    "a word behind a sentence": (("bad token", "order_total2"), False),
    "a token of a parser": (("unexpected token", LONG), False),
    "a digest behind a sentence": (("no such token", HEX), False),
    "another sentence": (("no such order", LONG), False),
}


@pytest.mark.parametrize("what", SENTENCES)
def test_the_item_behind_a_sentence(what: str, tmp_path: Any) -> None:
    """ValueError("bad token", key): the last word of the sentence names the key."""
    value, is_hidden = SENTENCES[what]
    assert (value[1] not in dumped(tmp_path, value, include_source=False)) is is_hidden


def test_a_user_and_a_password(tmp_path: Any) -> None:
    """The second of two texts under `auth` is a password; two words may be anything."""
    assert "horse9" not in dumped(tmp_path, {"auth": ("bob", "horse9")}, include_source=False)
    assert "digest" in dumped(tmp_path, {"auth": ("basic", "digest")}, include_source=False)


LINES: dict[str, bool] = {
    "option('--password', default='swordfish', help='x')": True,
    "option('--colour', default='swordfish', help='x')": False,
    "key = os.environ; SECRET_KEY = env('SECRET_KEY', default='swordfish')": True,
    "setattr(x, 'password', 'swordfish9')": True,
    "getattr(x, 'password', 'swordfish9')": False,
    "password = 'abc' + 'swordfish'": True,
    "password = '-'.join(['swordfish'])": False,
    "user_pass = '%s:%s' % ('swordfish', 'x')": False,
    "['AccessToken', 'SwordFish', 'swordfish']": False,
    "colour = 'abc' + 'swordfish'": False,
    "private_key = bytes.fromhex('swordfish')": True,
    "password: str = Field('swordfish')": True,
}


@pytest.mark.parametrize("line", LINES)
def test_a_kind_of_line_in_a_source(line: str, tmp_path: Any) -> None:
    """A default beside a name, an attribute that is set, a literal in parts, encoded literals."""
    text = dumped(tmp_path, 5, line=f"if 0: {line}")
    assert ("swordfish" not in text) is LINES[line]


def test_the_key_of_a_storage_account(tmp_path: Any) -> None:
    """Spark's name for the key ends in the account and its host."""
    name = "fs.azure.account.key.shop.dfs.core.windows.net"
    assert KEY not in dumped(tmp_path, {name: KEY}, include_source=False)
