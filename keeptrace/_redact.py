"""Redaction: secrets must not travel in what is written to a file.

A report holds every variable of every frame, so it holds passwords too. There are three ways to know one:

1. by its *name*: what stands under a variable, attribute, key, header or option that is called like a secret;
2. by its *shape*: text that can hardly be anything else (a PEM private key, the password in a URL, a vendor's key);
3. by its *text*: whatever 1 or 2 found is a secret wherever else it occurs, for f-strings carry it into messages.

The rules:
- A name is split into words; only its *last* words count (`db_password` is one, `password_field_id` is not), without
  trailing words that leave it a secret (`password_hash`, `token2`). A secret's name has a grade:
      STRONG  hides all that is under it: text, numbers of four digits and more, containers, whole stand-ins. The node itself is
              emptied, not only the reference to it, so no alias shows it.
      WEAK    also names innocent things (`auth = request`): hides text, and text within plain containers. A stand-in stays;
              only what looks random in it is hidden (and what is under secret names of its own).
      GUESS   mostly names innocent things (`tokens`, `signature`): hides only text that looks random.
- None, booleans, empty values and placeholders are never hidden: whether a password was set is what one debugs.
- It is visible where something was hidden: a ["redacted", what] node, or MARK within a text.
- A source keeps its lines, and each line its length in bytes, since positions count these: a filler replaces the secret.
- What nothing refers to any more is emptied too. What stays live is an opaque pickle, which cannot be edited: it goes as
  a whole where it seems to hold a secret, and its views take its place.
- When in doubt about a value under a secret name it is hidden; when in doubt about text under none, it is not.
- Time is linear in the size of the text: names, gaps and schemes are bounded, what is not is possessive. Nothing recurses.

To teach it another case add one line to a table below.
"""

# ruff: noqa: SIM905, UP035 - tables of words are read and extended as lines of words; typing is all that is imported

from __future__ import annotations

import re
import zlib
from typing import Any, Callable, Final, Iterator, TypeAlias

from ._report import Node, Ref, Report

MARK: Final = "<redacted>"
STRONG: Final = 3
WEAK: Final = 2
GUESS: Final = 1

# --------------------------------------------------------------------------------------------------------- the tables

# The last one to three words of a name, joined: `apikey` stands for api_key, apiKey, API-KEY and "Api Key" alike.
_NAMES: Final[dict[str, int]] = {
    name: grade
    for grade, names in (
        # Nothing else is called so.
        (STRONG, "password passwords passwd pwd pw psw passphrase passphrases passcode pgpass passwort senha contrasena"),
        (STRONG, "secret secrets credential credentials creds clientsecret sharedsecret"),
        # A key is a secret only with a word that says what it opens; `key`, `public_key`, `primary_key`, `sort_key` are not.
        (STRONG, "apikey apikeys accesskey accesskeys accesskeyid secretkey secretkeys privatekey privatekeys privkey"),
        (STRONG, "authkey authkeys encryptionkey encryptkey decryptionkey decryptkey signingkey signkey masterkey accountkey"),
        (STRONG, "storagekey sharedkey hmackey jwtkey fernetkey aeskey rsakey sshkey sessionkey servicekey licensekey deploykey"),
        (STRONG, "webhookkey clientkey appkey applicationkey consumerkey subscriptionkey cipherkey cryptokey securitykey kmskey"),
        # Tokens that say what they are for; a bare `token` may be a parser's.
        (STRONG, "accesstoken authtoken refreshtoken apitoken idtoken bearertoken sessiontoken securitytoken bottoken oauthtoken"),
        (STRONG, "accesstokens authtokens refreshtokens apitokens clienttoken devicetoken csrftoken xsrftoken secrettoken sastoken"),
        (STRONG, "authtokensecret logintoken usertoken personaltoken deploytoken resettoken jwttoken webhooktoken"),
        # Where to connect to, with the password in it.
        (STRONG, "dsn connectionstring connectionstr connstring connstr databaseurl databaseuri dburl dburi brokerurl"),
        # One-time and card codes are short, but as good as a password.
        (STRONG, "otp totp otpsecret mfacode otpcode verificationcode securitycode recoverycode recoverycodes backupcodes cvv cvc"),
        (STRONG, "seedphrase mnemonic webhookurl sharedaccesssignature sessid sessionid csrfmiddlewaretoken"),
        # Parser tokens, request objects, cookie jars and auth handlers are called so as well.
        (WEAK, "token auth authorization cookie cookies csrf xsrf jwt jwts bearer sid oauth authheader pass"),
        # Text tokens, inspect.Signature, numbers: only what looks random is one.
        (GUESS, "tokens signature signatures sig pat nonce salt hmac secretid pin keymaterial session sessionids"),
    )
    for name in names.split()
}
# `session_id` may be a row's number and `session` an object: text is hidden, the rest stays.
_NAMES.update(sessionid=WEAK, sessid=WEAK)
# Written as one word with something in front: PGPASSWORD, mysecret, PHPSESSID.
_ENDINGS: Final = ("password", "passwd", "passphrase", "secret", "apikey", "secretkey", "accesskey", "privatekey", "credentials", "pwd")
_WEAK_ENDINGS: Final = ("token", "sessid", "sessionid")
# `pass` is also a verb and a compiler's or a ticket's word: it is a password after one of these.
_PASS_OF: Final = frozenset(
    "db database user usr admin root smtp imap mail email ftp sftp ssh mysql postgres pg redis mongo ldap proxy login my http "
    "basic rabbitmq amqp mqtt bind keystore truststore key cert pem account sudo vnc wifi".split()
)
# Words behind a secret's name that leave it one; any other word makes it the name of something else.
_STILL: Final = frozenset(
    "value val string str text txt bytes raw plain plaintext cleartext hash hashed digest confirm confirmation confirmed again repeat "
    "old new current previous prev temp tmp default input header b base hex encoded decoded encrypted decrypted base64 b64 env "
    "copy backup primary secondary prod production dev staging test live".split()
)
# Words in front that make it a question or a count: `has_password`, `max_tokens`.
_ASKING: Final = frozenset("is has had use uses using needs need num n max min no show hide require requires required".split()) | frozenset(
    "allow allows enable enabled disable disabled count len total with without forgot".split()
)
# Words in front of `token` that make it a place in a list or a piece of text.
_OTHER_TOKENS: Final = frozenset(
    "next prev previous page continuation continue cancel cancellation sync resume marker pad eos bos unk sep cls mask stop special "
    "additional start end first last current prompt completion input output context image cached total lookahead peek".split()
)
# Values that tell nothing: they are left even under a secret name.
_PLACEHOLDERS: Final = frozenset(
    "none null nil true false undefined n/a na unset [filtered] <hidden> <secret> ... … str int bytes bool any".split()
)
# What stands after "password:" in prose, in messages of validators and in help.
_PROSE: Final = frozenset(
    "is was are were must should cannot can may not no too has have had does do did required require missing invalid incorrect wrong "
    "empty expired expected unexpected optional unknown mismatch failed error denied rejected the a an this that your for of and or in "
    "to if when with field string number value ok yes accepted valid set unset given changed reset".split()
)
# Kinds of authentication: what `auth` holds when it holds no secret.
_SCHEMES: Final = frozenset("basic bearer digest token oauth oauth2 ntlm kerberos negotiate apikey login required optional none".split())
# Real passwords, but words of everyday text too: hidden where they stand, not searched for elsewhere.
_EVERYDAY: Final = frozenset(
    "localhost default string unknown postgres postgresql rabbitmq mongodb example testing username administrator production "
    "development staging changeme function import return identifier operator number lambda global nonlocal assert except finally "
    "continue object module python public private 123456 1234567 12345678".split()
)

# Text that is a secret by its shape: (one of these is in the lower-cased text, pattern; group 1 is the secret if there is one).
# A pattern starts with its literal, so the search is a fast one; what stands before is looked at afterwards.
_SHAPES: Final[tuple[tuple[tuple[str, ...], str], ...]] = (
    # A private key in PEM form, also with its line ends escaped, also cut off.
    (("private key",), r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z0-9 ]{0,60}-----|\Z)"),
    # The password in scheme://user:password@host. The user may be empty (redis://:password@host).
    (("://",), r"""://[^\s:/@"'<>?#]{0,100}:([^\s/"'<>]{1,200})@(?=[\w.\[-])"""),
    # A key in the user's place: https://key@host. Short ones are users.
    (("://",), r"://(?=[\w-]{0,40}\d)([\w-]{20,100})@"),
    # Header values. A word that is only letters ("Bearer authentication") is prose.
    (("bearer",), r"\b[Bb](?:earer|EARER)(?:\s|%20|\+){1,3}((?=[\w.~+/=-]{0,200}\d|[\w.~+/=-]{24})[\w.~+/=-]{6,}+)"),
    (("basic",), r"\b[Bb](?:asic|ASIC)\s{1,3}((?=[\w+/]{0,200}(?:\d|[a-z][A-Z]|=))(?:[\w+/]{4}){2,}+(?:[\w+/]{2,3}=?=)?(?![\w+/=]))"),
    (("authorization", "authenticate"), r"(?i:\b(?:token|apikey|api-key)\s{1,3})((?=[\w.~+/=-]{0,80}\d)[\w.~+/=-]{8,}+)"),
    # JSON web tokens: a header that starts with {" in base64, and a second part.
    (("eyj",), r"eyJ(?<![\w-]eyJ)[\w-]{8,}+\.[\w-]{4,}+(?:\.[\w-]*+){0,3}"),
    # Keys of services; their prefixes were made to be searched for.
    (("akia", "asia", "abia", "acca"), r"A(?:KIA|SIA|BIA|CCA)(?<![A-Za-z0-9]....)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"gh[pousr]_(?<![A-Za-z0-9]....)[A-Za-z0-9]{16,}+"),
    (("github_pat_",), r"github_pat_[A-Za-z0-9_]{20,}+"),
    (("glpat-",), r"glpat-[\w-]{16,}+"),
    (("xox", "xapp-"), r"x(?:ox[abeoprs]|app)-[A-Za-z0-9-]{10,}+"),
    (("hooks.slack.com",), r"hooks\.slack\.com/(?:services|workflows)/([\w/]{16,}+)"),
    (("_live_", "_test_"), r"[srp]k_(?:live|test)_(?<![A-Za-z0-9]........)[A-Za-z0-9]{10,}+"),
    (("whsec_",), r"whsec_[A-Za-z0-9+/=]{16,}+"),
    (("aiza",), r"AIza[\w-]{30,}+"),
    (("ya29.",), r"ya29\.[\w-]{16,}+"),
    (("gocspx-",), r"GOCSPX-[\w-]{16,}+"),
    (("sk-",), r"sk-(?<![\w-]sk-)(?=[\w-]{0,100}\d)[\w-]{20,}+"),
    (("sg.",), r"SG\.(?<!\wSG.)[\w-]{16,}+\.[\w-]{16,}+"),
    (("npm_",), r"npm_[A-Za-z0-9]{30,}+"),
    (("pypi-",), r"pypi-[\w-]{40,}+"),
    (("hf_",), r"hf_(?<!\whf_)[A-Za-z0-9]{30,}+"),
    (("dop_v1_",), r"dop_v1_[0-9a-f]{32,}+"),
    (("shpat_", "shpss_", "shpca_"), r"shp(?:at|ss|ca)_[0-9a-fA-F]{24,}+"),
    (("dapi",), r"dapi(?<!\wdapi)[0-9a-f]{32}(?!\w)"),
    (("hvs.", "hvb."), r"hv[sb]\.(?<!\w....)[\w-]{20,}+"),
    (("age-secret-key-",), r"AGE-SECRET-KEY-1[A-Z0-9]{40,}+"),
    # A chat bot's token: its number and 35 characters.
    ((":aa",), r"\b\d{8,10}:(AA[\w-]{33})(?![\w-])"),
    # User and password on a command line; docker's `-u 1000:1000` is not one.
    (("curl",), r"curl\b[^\n]{0,200}?\s(?:-u|--user)[\s=]{1,2}[\"']?[^\s:\"']{1,60}:([^\s\"']{1,200})"),
    (("sshpass",), r"sshpass\s{1,4}-p\s{0,4}[\"']?([^\s\"']{1,200})"),
)
# Stems of which each name above has one: a text with none of them and no shape's literal is not looked at any further.
_STEMS: Final = (
    "pass pwd pw psw senha contrasena secret cred key token auth dsn conn databaseur database_ur database "
    "dburl dburi db_ur db-ur broker otp mfa verif secur recover backup cvv cvc seed mnemonic webhook sess sid csrf xsrf jwt bearer "
    "cookie sig nonce salt hmac pin"
).split()

# A literal in source that is handed to one of these is still the literal of the name before.
_WRAPPERS: Final = r"(?:\w*Secret\w*|\w*Password\w*|str|bytes|bytearray|Token|Credentials?)\("

_KEPT_SOURCES: Final = 64  # files; the frames of one program seldom pass through more
_KEPT_NAMES: Final = 8_192  # names; each is a few dozen bytes
_BEFORE: Final = 160  # characters of code before a literal in which its name is looked for
_LEAST_SPREAD: Final = 6  # characters; shorter ones occur by chance
_MOST_RUNS: Final = 10_000  # texts of a pickle that a callable of the user is asked about

Extra: TypeAlias = Callable[[str, str], bool]
_Span: TypeAlias = tuple[int, int, int]  # start, end, grade

# --------------------------------------------------------------------------------------------------------- the patterns


class _Patterns:
    """The compiled tables; made at first use, since most programs import this and never fail."""

    def __init__(self) -> None:
        shapes = tuple((hints, re.compile(pattern)) for hints, pattern in _SHAPES)
        self.shapes = shapes
        stems = sorted({*_STEMS, *(hint for hints, _ in _SHAPES for hint in hints)})
        self.trigger = re.compile(_trie(stems))
        self.words = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+").findall
        # A name and what may stand between it and its value: A assigned, B the next item, C prose, D an option's value.
        self.pair = re.compile(
            r"""(?<![\w-])(-{0,2}+\w[\w.-]{1,80}+)
            (?: (?P<A> (?: \\{0,3}["'] )?+ \]?+ [ \t]{0,8}+ (?: => | [!=]?=?=(?!>) | :=? | %3[dD] ) \s{0,8}+
                       (?: [\[(]\s{0,4}+ )?+ (?: [A-Za-z_][\w.]{0,40}+\((?=[bBuU]?["']) )?+
                | \\{0,3}["']\s{1,4}value= | > )
              | (?P<B> \\{0,3}["']\s{0,4},\s{0,4}(?=[bBuU]?\\{0,3}["']) )
              | (?P<C> [ ]{1,4}(?:is|was)[ ]{1,4} | [ ]{1,4}(?=["']) )
              | (?P<D> [ ]{1,4}+(?![-<\[]) ) )""",
            re.VERBOSE,
        ).search
        self.quote = re.compile(r"[bBuUrR]{0,2}+(\\{0,3}+[\"'])").match
        self.quoted = {
            '"': re.compile(r'(?:[^"\\]|\\.)*+(?=")', re.DOTALL).match,
            "'": re.compile(r"(?:[^'\\]|\\.)*+(?=')", re.DOTALL).match,
        }
        self.bare = re.compile(r"""[^\s"'`,;&)\]}]++""").match
        self.element = re.compile(r"[^<\n]{1,2000}").match
        self.line = re.compile(r"""[^\r\n"'\\]{1,1000}""").match
        self.literal = re.compile(
            r'''"""(?:[^"\\]|\\.|"(?!""))*+(?:"""|\Z)|\'\'\'(?:[^'\\]|\\.|'(?!''))*+(?:\'\'\'|\Z)'''
            r"""|"(?:[^"\\\n]|\\.)*+"?|'(?:[^'\\\n]|\\.)*+'?|\#[^\n]*+""",
            re.DOTALL,
        ).finditer
        self.assigned = re.compile(r"([\w.]{1,80})\Z").search
        self.annotated = re.compile(r"(\w{1,80})[ \t]*:[ \t]*(?:[\w. |]|\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\])+\Z").search
        self.fallback = re.compile(r"(\w{1,80})\s*=[^=\n'\"#]{0,120}\bor\s*\Z").search
        self.wrapped = re.compile(_WRAPPERS + r"\Z").search
        # All that str.splitlines() or an editor takes for the end of a line, and the backslash that continues one.
        self.pieces = re.compile("(?:(?!\\\\[\r\n])[^\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029])+")
        self.mixed = re.compile(r"[a-z][A-Z]|[A-Z]{2}[a-z]|[^\w\s.,:;!?()'\"-]").search
        # Placeholders of templates, shells and help texts.
        self.template = re.compile(r"<[^<>]*>?|%[sr]|%\(\w+\)?s?|\$?\{[^{}]*\}?|\$\(.*|\$[A-Z_]+|[\[(]+").fullmatch
        self.formats = re.compile(r"%(?:\(\w+\))?[a-z]|\{\w*\}").sub
        self.next_item = re.compile(r"\\{0,3}[\"']\s{0,4},\s{0,4}[bBuU]?(\\{0,3}[\"'])").match
        self.letter = re.compile(r"[A-Za-z]").search
        self.digit = re.compile(r"[0-9]").search
        # Text with letters and digits that is something else: an identifier or a host with a number, a path, an address, a date.
        self.ordinary = re.compile(
            r"[A-Za-z]*(?:[-_. ][A-Za-z]*)*[-_.]?\d{0,3}|[./~].*|[A-Za-z]:[\\/].*|\w+://.*|[^@]+@[\w-]+\.[\w.]+|0x[0-9a-fA-F]+"
            r"|\d[\d.:/+TZ -]*|[\w-]+(?:\.[\w-]+)*\.[a-z]{2,5}(?::\d+)?|v?\d+(?:\.\w+)+",
            re.DOTALL,
        ).fullmatch
        self.random = re.compile(r"[\w.+/=~-]{8,}+").finditer
        self.runs = re.compile(r"[\x20-\x7e\xa0-\xff]{3,}+").finditer
        # What follows a name in a pickle: marks and puts into its memo, then the opcode of the value.
        self.pickled = re.compile(r"([A-Za-z_][\w.-]{1,60}+)(?:\x94|q.|r....|\r?\np\d+\r?\n|\r?\n)?+(?=(.))", re.DOTALL).finditer
        # None, True, False, a number up to 255, (), and the opcodes that end a name's container: the name was a value or has none.
        self.openers = frozenset("XVSUTBCJMLhj\x8c\x8d\x8e\x8a\x96](}")
        self.harmless = frozenset("NK\x88\x89.)st0ebua\x93\x85\x86\x87\x90\x91")


_patterns: _Patterns | None = None


def _made() -> _Patterns:
    global _patterns
    if _patterns is None:
        _patterns = _Patterns()  # two threads may both make one: they are the same
    return _patterns


def _trie(words: list[str]) -> str:
    """A pattern for any of the words that shares their beginnings: three times as fast as one alternative for each."""
    heads: dict[str, list[str]] = {}
    for word in words:
        if not any(other in word for other in words if other != word):  # `authorization` adds nothing to `auth`
            heads.setdefault(word[0], []).append(word[1:])
    return "|".join(f"{re.escape(head)}(?:{'|'.join(map(re.escape, tails))})" for head, tails in heads.items())


def _lower(text: str) -> str:
    """The lower-cased text, character for character (a few letters have longer lower forms)."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(small if len(small := char.lower()) == 1 else char for char in text)


# -------------------------------------------------------------------------------------------------------------- names

_grades: dict[str, int] = {}


def _grade(name: str) -> int:
    """How sure it is that `name` names a secret: STRONG, WEAK, GUESS or 0."""
    grade = _grades.get(name)
    if grade is None:
        grade = _grade_of(name) if len(name) <= 100 else 0  # a longer one is no name
        if len(_grades) >= _KEPT_NAMES:
            _grades.clear()
        _grades[name] = grade
    return grade


def _grade_of(name: str) -> int:
    words = [word.lower() for word in _made().words(name)]
    if not words or (len(words) > 1 and words[0] in _ASKING):
        return 0
    while True:
        grade = _grade_of_words(words)
        if grade or len(words) == 1 or words[-1] not in _STILL:
            break
        words.pop()
    return grade or (_NAMES.get("".join(words), 0) if len(words) <= 4 else 0)  # a name that changes case within: `passWord`


def _grade_of_words(words: list[str]) -> int:
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last in ("token", "tokens") and before in _OTHER_TOKENS:
        return 0
    if last == "pass" and before:
        return STRONG if before in _PASS_OF else 0
    if last == "session" and before:
        return 0
    for count in range(min(3, len(words)), 0, -1):
        grade = _NAMES.get("".join(words[-count:]), 0)
        if grade:
            return grade
    return STRONG if last.endswith(_ENDINGS) else WEAK if last.endswith(_WEAK_ENDINGS) else 0


# ------------------------------------------------------------------------------------------------------------- values


def _placeholder(text: str) -> bool:
    """Whether a text under a secret name tells nothing."""
    bare = text.strip().lower()
    return not bare or bare in _PLACEHOLDERS or MARK in text or (len(bare) > 2 and bare.strip(bare[0]) == "" and bare[0] in "*x.-_•?#")


def _opaque(text: str) -> bool:
    """Whether a text looks random: letters and digits, and nothing that one writes by hand."""
    made = _made()
    return (
        8 <= len(text) <= 4_096
        and made.digit(text) is not None
        and made.letter(text) is not None
        and not any(char.isspace() for char in text)
        and made.ordinary(text) is None
    )


def _unusual(text: str) -> bool:
    """Whether a text is likely no word: it has a digit among letters, a sign, or a change of case."""
    made = _made()
    if made.digit(text) is not None and made.letter(text) is not None:
        return True
    return made.mixed(text) is not None or (len(text) > 20 and " " not in text)


def _hidden_under(grade: int, text: str) -> bool:
    """Whether a text directly under a name of this grade is a secret."""
    if grade == 0 or _placeholder(text):
        return False
    if grade == STRONG:
        return True
    if grade == WEAK:
        return len(text) >= 3 and text.strip().lower() not in _SCHEMES
    return _opaque(text)


def _spreads(text: str, grade: int) -> bool:
    """Whether a secret is searched for elsewhere: it must be one that does not occur by chance."""
    if len(text) < _LEAST_SPREAD or text.isspace() or text.lower() in _EVERYDAY or text.lower() in _PROSE or _placeholder(text):
        return False
    if _grade(text) or (text.isdigit() and len(text) < 8):
        return False
    return grade == STRONG or (grade == WEAK and _unusual(text)) or _opaque(text)


def _variants(secret: str) -> Iterator[str]:
    """The secret as it may stand in a text: as it is, in a repr, in JSON, in a URL, as UTF-8 bytes, without a line's end."""
    yield secret
    if secret.isalnum() and secret.isascii():
        return
    yield repr(secret)[1:-1]
    yield secret.strip()
    yield secret.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    raw = secret.encode("utf-8", "surrogatepass")
    for safe in ("-._~", "-._~/"):
        yield "".join(chr(byte) if (byte < 128 and chr(byte).isalnum()) or chr(byte) in safe else f"%{byte:02X}" for byte in raw)
    if not secret.isascii():
        yield raw.decode("latin-1")
        yield repr(raw)[2:-1]
        yield secret.encode("ascii", "backslashreplace").decode()
        try:
            yield secret.encode("latin-1").decode("utf-8")  # a secret that was found in bytes
        except ValueError:
            pass


def _occurrences(text: str, secret: str) -> Iterator[_Span]:
    """Where a secret stands in a text; one of letters only must stand as a word of its own."""
    at = text.find(secret)
    size = len(secret)
    word = secret.isalpha()
    while at >= 0:
        end = at + size
        if not word or not (_within(text, at - 1) or (end < len(text) and (text[end].isalnum() or text[end] == "_"))):
            yield at, end, STRONG
        at = text.find(secret, end)


def _within(text: str, at: int) -> bool:
    """Whether the character at `at` continues a word, and is not the letter of an escape like \\n."""
    if at < 0 or not (text[at].isalnum() or text[at] == "_"):
        return False
    return not (at and text[at - 1] == "\\" and text[at] in "nrt")


# -------------------------------------------------------------------------------------------------------------- spans


def _merged(spans: list[_Span]) -> list[_Span]:
    """Sorted, and overlapping ones as one."""
    spans.sort()
    merged: list[_Span] = []
    for start, end, grade in spans:
        if merged and start < merged[-1][1]:
            first, last, other = merged[-1]
            merged[-1] = first, max(last, end), max(grade, other)
        else:
            merged.append((start, end, grade))
    return merged


def _marked(text: str, spans: list[_Span]) -> str:
    parts: list[str] = []
    at = 0
    for start, end, _ in spans:
        parts += text[at:start], MARK
        at = end
    return "".join(parts) + text[at:]


def _filled(text: str, spans: list[_Span]) -> str:
    """The source with each span replaced by a filler of as many bytes, its line ends kept."""
    parts = []
    at = 0
    pieces = _made().pieces
    for start, end, _ in spans:
        parts.append(text[at:start])
        said = False

        def filler(match: re.Match[str]) -> str:
            nonlocal said
            size = len(match[0].encode("utf-8", "surrogatepass"))
            mark = "" if said else MARK
            said = said or size >= len(mark)
            return (mark if size >= len(mark) else "").ljust(size, "*")

        parts.append(pieces.sub(filler, text[start:end]))
        at = end
    return "".join(parts) + text[at:]


def _shape_spans(text: str, low: str) -> list[_Span]:
    spans = []
    for hints, pattern in _made().shapes:
        for hint in hints:
            if hint in low:
                for match in pattern.finditer(text):
                    start, end = match.span(match.lastindex or 0)
                    if MARK not in match[match.lastindex or 0]:
                        spans.append((start, end, STRONG))
                break
    return spans


def _secret_pair(grade: int, how: str, name: str, value: str, quoted: bool, strict: bool) -> bool:
    """Whether the value of a name in a text is a secret. `how`: A assigned, B next item, C prose, D an option's value."""
    if _placeholder(value):
        return False
    low = value.lower()
    plain = name.strip("-").lower()
    if how == "D":
        same = low.replace("-", "_") == plain.replace("-", "_")  # --password PASSWORD
        return grade >= WEAK and not same and value[0] != "-" and (grade == STRONG or len(value) >= 4)
    if how == "B":  # two names in a list are as likely as a name and its value
        return not value.startswith("-") and (_unusual(value) and not _grade(value) if grade == STRONG else _opaque(value) or "=" in value)
    if low in _PROSE or (value.isdigit() and (grade < STRONG or len(value) < 4)):
        return False
    if how == "C":
        return len(value) >= 4 and (_unusual(value) or quoted) if grade == STRONG else _opaque(value)
    if grade == GUESS:
        return _opaque(value)
    if quoted:
        return _hidden_under(grade, value)
    ending = plain.rpartition(".")[2]
    if low == ending or low.endswith(("." + ending, "_" + ending)) or _made().template(value) is not None:
        return False  # `password=password`, `password=self.password`, `password=%(password)s`
    if strict:
        return _made().digit(value) is not None and "(" not in value and "[" not in value
    return grade == STRONG or (len(value) >= 6 and low not in _SCHEMES and _unusual(value))


def _header(name: str) -> bool:
    return name.strip("-").lower().endswith(("authorization", "cookie"))


# ---------------------------------------------------------------------------------------------------------- the redactor

_sources: dict[bytes | str, tuple[str, int, tuple[tuple[str, int], ...]]] = {}


class Redactor:
    """Finds secrets in texts, sources, pickles and whole reports, and removes them.

    extra: a callable (name, text) -> bool that says what else is secret; `name` is "" for a text without one.
        One that fails is taken to have said yes.
    """

    def __init__(self, extra: Extra | None = None) -> None:
        self._extra = extra
        # What is secret in a source depends on nothing but the source, unless somebody else is asked.
        self._sources = _sources if extra is None else {}

    def text(self, text: str) -> str:
        """The text without secrets known by their shape or by the name before them; the same object if there is none."""
        spans = self.spans(text)
        return _marked(text, spans) if spans else text

    def source(self, text: str) -> str:
        """The source without secrets, with the same lines, each with the same number of bytes."""
        return self.redacted_source(text, text)[0]

    def leaks(self, data: bytes) -> bool:
        """Whether a pickle seems to hold a secret."""
        text = data.decode("latin-1")
        low = text.lower()
        made = _made()
        if made.trigger.search(low) is not None:
            if _shape_spans(text, low) or self._pair_spans(text, False):
                return True
            for match in made.pickled(text):
                # The byte before a name is its length, which may itself look like a letter; so may the opcode after it.
                name = match[1]
                if (_grade(name) >= WEAK or _grade(name[1:]) >= WEAK) and match[2] not in made.harmless:
                    return True
                last = name[-1]
                if last in "qr":  # BINPUT with one byte, LONG_BINPUT with four: the value comes after
                    skip = match.end() + (1 if last == "q" else 4)
                    last = text[skip : skip + 1]
                if last in made.openers and (_grade(name[:-1]) >= WEAK or _grade(name[1:-1]) >= WEAK):
                    return True
        if self._extra is None:
            return False
        before = ""
        for count, match in enumerate(made.runs(text)):
            if count >= _MOST_RUNS or self.says("", match[0]) or (before and self.says(before, match[0])):
                return True
            before = match[0]
        return False

    def report(self, report: Report) -> int:
        """Redacts a report in place. Returns how many redactions were made, and counts them in its cuts."""
        return _Job(self, report).run()

    # what follows is for this module

    def says(self, name: str, text: str) -> bool:
        """What the user's callable says. It may do anything, but not make a failure worse."""
        if self._extra is None:
            return False
        try:
            return bool(self._extra(name, text))
        except BaseException:  # not even an interrupt may lose the report that is being written
            return True

    def spans(self, text: str, strict: bool = False) -> list[_Span]:
        """Where secrets stand in a text. `strict`: it is part of a source, where bare words are likely code."""
        if len(text) < 5:
            return []
        if self._extra is None:
            low = _lower(text)
            if _made().trigger.search(low) is None:
                return []
        else:
            low = _lower(text)
        spans = _shape_spans(text, low)
        spans += self._pair_spans(text, strict)
        return _merged(spans) if spans else spans

    def _pair_spans(self, text: str, strict: bool) -> list[_Span]:
        """Values of secret names in a text: `password=x`, "token": "x", --password x, Authorization: x, and so on."""
        made = _made()
        spans: list[_Span] = []
        asked = self._extra is not None
        lines_seen = 0
        at = 0
        while (match := made.pair(text, at)) is not None:
            name = match[1]
            at = match.end()
            grade = _grade(name)
            if not grade and not asked:
                continue
            how = match.lastgroup or "A"
            if how == "D" and not name.startswith("--"):
                continue
            quote = made.quote(text, at)
            if quote is not None:
                start = quote.end()
                if text[at - 1] in ":=" and quote[1] not in match[0] and text[match.start() - 1 : match.start()] == quote[1]:
                    continue  # "Cookie:" is a literal itself, and the quote is its end
                if len(quote[1]) == 1:
                    body = made.quoted[quote[1]](text, start)
                    end = body.end() if body is not None else -1
                else:
                    end = text.find(quote[1], start)
                if end < 0:  # never closed: what is left of the line
                    bare = made.line(text, start)
                    end = bare.end() if bare is not None else start
            else:
                if text[at - 1] == ">" and text[at - 2 : at] != "=>":
                    if text[match.start() - 1 : match.start()] != "<":
                        continue
                    bare = made.element(text, at)
                elif how == "A" and _header(name) and at >= lines_seen:
                    bare = made.line(text, at)
                    lines_seen = bare.end() if bare is not None else at
                    if bare is None or not any(map(_unusual, bare[0].replace(MARK, "").replace(";", " ").replace("=", " ").split())):
                        bare = made.bare(text, at)
                else:
                    bare = made.bare(text, at)
                if bare is None:
                    continue
                start, end = bare.span()
                end = start + len(text[start:end].rstrip(".:!? "))
            value = text[start:end]
            if not value or (MARK in value and (value.startswith(MARK) or not _unusual(value.replace(MARK, "")))):
                continue
            if strict and "\n" in value:
                continue  # quotes that do not belong together
            passed = name[0] == "-" or text[match.start() - 1 : match.start()] in ("?", "&")
            if grade == WEAK and how == "A" and passed and len(value) >= 6:
                grade = STRONG  # what is passed as a token in a query or to a command is no parser's
            if _secret_pair(grade, how, name, value, quote is not None, strict) or (asked and self.says(name.strip("-"), value)):
                spans.append((start, end, grade or STRONG))
                at = end
                while quote is not None and match[0].rstrip()[-1:] in ("(", "["):  # all of a list: auth=("bob", "x")
                    item = made.next_item(text, at)
                    body = made.quoted[item[1]](text, item.end()) if item is not None and len(item[1]) == 1 else None
                    if body is None:
                        break
                    at = body.end()
                    if grade == STRONG or (grade == WEAK and len(body[0]) > 2) or _opaque(body[0]):
                        spans.append((*body.span(), grade))
        return spans

    def redacted_source(self, text: str, key: bytes | str) -> tuple[str, int, tuple[tuple[str, int], ...]]:
        """The redacted source, the number of redactions, and the secrets that were found with their grades."""
        found = self._sources.get(key)
        if found is None:
            spans = self._source_spans(text)
            secrets = tuple({(text[start:end], grade) for start, end, grade in spans})
            found = (_filled(text, spans) if spans else text, len(spans), secrets)
            if len(self._sources) >= _KEPT_SOURCES:
                self._sources.clear()
            self._sources[key] = found
        return found

    def _source_spans(self, text: str) -> list[_Span]:
        made = _made()
        low = _lower(text)
        if self._extra is None and made.trigger.search(low) is None:
            return []
        spans = _shape_spans(text, low)
        asked = self._extra is not None
        last_text, last_end, grade, in_list = "", 0, 0, False  # of the literal before: its text, its end, and what it was under
        hits = [match.start() for match in made.trigger.finditer(low)]
        hits.append(len(text) + _BEFORE)
        passed = 0  # how many of them are before the code that can name this literal
        for match in made.literal(text):
            start, end = match.span()
            while hits[passed] < max(start - _BEFORE, last_end - len(last_text) - 3):
                passed += 1
            if hits[passed] >= end and not asked and not grade:  # no name and no shape is near, and no list of secrets goes on
                last_text, last_end, in_list = "", end, False
                continue
            body = match[0]
            if body[0] == "#":
                spans += [(start + a, start + b, g) for a, b, g in self.spans(body, True)]
                continue
            size = 3 if body[:3] in ('"""', "'''") else 1
            closed = len(body) >= 2 * size and body.endswith(body[:size])
            inside = body[size : len(body) - size * closed]
            gap = text[max(last_end, start - _BEFORE) : start].rstrip("rbufRBUF")
            bare_gap = gap.strip()
            previous, grade_before = last_text if start - last_end < _BEFORE else "", grade
            name, how = "", "A"
            if bare_gap in ("", "\\"):
                grade = grade_before if last_end and start != last_end else 0  # "a" "b" is one literal
            elif bare_gap == "," and in_list:
                grade = grade_before
            else:
                name, how, in_list = self._name_before(gap, previous)
                grade = _grade(name) if name else 0
            last_text, last_end = inside, end
            secret = bool(grade) and bool(inside) and "{" not in inside[:1] and _literal_is_secret(grade, how, name, inside)
            if not secret and asked and name and inside and self.says(name, inside):
                secret, grade = True, STRONG
            if secret:
                spans.append((start + size, end - size * closed, grade))
            else:
                spans += [(start + size + a, start + size + b, g) for a, b, g in self.spans(inside, True)]
        return _merged(spans) if spans else spans

    @staticmethod
    def _name_before(gap: str, previous: str) -> tuple[str, str, bool]:
        """The name that the code in front of a literal gives it, how (as in _secret_pair), and whether it opens a list."""
        made = _made()
        gap = gap.rstrip()
        wrapped = made.wrapped(gap)
        if wrapped is not None:
            gap = gap[: wrapped.start()].rstrip()
        opened = gap[-1:] in "([" and gap != ""
        code = gap.rstrip("([ \t\r\n\\") if opened else gap.rstrip("\\ \t\r\n")
        last = code[-1:]
        if last == "=":
            left = code[code.rfind("\n") + 1 :].rstrip("=!: \t")
            if left.lstrip("'\" \t\r\n") in ("]", ""):
                return previous, "A", opened  # environ["PASSWORD"] = "x"
            annotated = made.annotated(left)
            assigned = made.assigned(left)
            names = [found[1] for found in (annotated, assigned) if found is not None]
            return max(names, key=_grade, default=""), "A", opened
        if last == ":" and not code[:-1].strip():
            return previous, "A", opened  # {"password": "x"}
        if last == "," and not code[:-1].strip():
            return previous, "B", False  # getenv("PASSWORD", "x")
        if last == "r":
            fallback = made.fallback(code)
            if fallback is not None:
                return fallback[1], "A", False  # password = given or "x"
        return "", "A", False


def _literal_is_secret(grade: int, how: str, name: str, inside: str) -> bool:
    if how == "B":
        return _secret_pair(grade, how, name, inside, True, True)
    if grade == STRONG and " " in inside.strip() and inside.rstrip()[-1:] in ":?." and not _made().digit(inside):
        return False  # a prompt or a message: password = getpass("Enter the password: ")
    if _grade(inside) and not _made().digit(inside):
        return False  # PASSWORD = "password": the name of a field or header
    if grade == WEAK:
        plain = _made().formats("", inside)
        word = plain.replace(".", "")
        if not plain or (word.isidentifier() and len(word) < 12 and not _unusual(word)) or word.isdigit():
            return False  # token = "import", auth = "%s:%s", SERVER_AUTH = "1.3.6.1"
        if " " in plain and not _made().digit(plain):
            return False  # "Basic %s"
    return _hidden_under(grade, inside)


# ------------------------------------------------------------------------------------------------------------ the report

_TEXTS: Final = frozenset(("str", "bytes", "bytearray"))
_LISTS: Final = frozenset(("list", "tuple", "set", "frozenset"))
_EXACT_SECRETS: Final = frozenset(("UUID", "Decimal", "Fraction"))  # of ["exact", kind]; a path or a date is no secret itself


class _Job:
    """The redaction of one report."""

    def __init__(self, redactor: Redactor, report: Report) -> None:
        self.redactor = redactor
        self.report = report
        self.values: list[Node] = report["values"]
        self.count = 0
        self.known: dict[str, int] = {}  # secret text -> grade of what it was found under
        self.places: dict[str, int] = {}  # what -> index of its ["redacted", what] node, for refs that were atoms
        self.live_touched = False
        self.texts: list[str] = []
        self.least_name = 1 if redactor._extra is not None else 16  # a shape has as many characters

    def run(self) -> int:
        report = self.report
        self._by_name()
        self._sources()
        self._each_text(self._by_shape)
        secrets = self._present()
        if secrets:
            self.least_name = _LEAST_SPREAD
            self._each_text(lambda text, name: self._scrub(text, secrets))
            self._scrub_sources(secrets)
        self._live(secrets)
        if self.count:
            self._sweep()
            report["cuts"]["redacted"] = report["cuts"].get("redacted", 0) + self.count
        return self.count

    # by name

    def _by_name(self) -> None:
        for exception in self.report["exceptions"]:
            self._names(exception["fields"])
            self._names(exception["attributes"])
        for frame in self.report["frames"]:
            self._names(frame["locals"])
        for namespace in self.report["globals"]:
            self._names(namespace)
        for index in range(len(self.values)):  # what is emptied on the way is seen as emptied: the node is looked up each time
            node = self.values[index]
            kind = node[0]
            if kind == "dict":
                self._pairs(node[2])
            elif kind in _LISTS:
                self._items(node[2])
            elif kind == "object":
                if node[3]:
                    self._names(node[3])
                if node[4]:
                    if "pairs" in node[4]:
                        self._pairs(node[4]["pairs"])
                    if "items" in node[4]:
                        self._items(node[4]["items"])

    def _names(self, mapping: dict[str, Ref] | None) -> None:
        for name, ref in mapping.items() if mapping else ():
            grade = _grades.get(name)
            if grade is None:
                grade = _grade(name)
            if grade or self.redactor._extra is not None:
                self._judge(mapping, name, name, ref, grade)

    def _pairs(self, flat: list[Ref]) -> None:
        for at in range(0, len(flat) - 1, 2):
            name = self._text_of(flat[at])
            if name is not None:
                grade = _grade(name)
                if grade or self.redactor._extra is not None:
                    self._judge(flat, at + 1, name, flat[at + 1], grade)

    def _items(self, items: list[Ref]) -> None:
        """("Authorization", "x") as headers have it, and ["--password", "x"] as command lines do."""
        two = len(items) == 2
        for at in range(len(items) - 1):
            first = items[at]
            if two or (type(first) is str and first.startswith("-")):
                name = self._text_of(first)
                if name is None or " " in name:
                    continue
                grade = _grade(name)
                value = self._text_of(items[at + 1])
                if grade and value is not None and _secret_pair(grade, "D" if name.startswith("--") else "B", name, value, True, False):
                    self._judge(items, at + 1, name, items[at + 1], STRONG)

    def _text_of(self, ref: Ref) -> str | None:
        if type(ref) is str:
            return ref
        if type(ref) is list:
            node = self.values[ref[0]]
            if node[0] in _TEXTS:
                return str(node[2])
        return None

    def _judge(self, container: Any, key: Any, name: str, ref: Ref, grade: int) -> None:
        """Hides what is under a name, if it is a secret. `container[key]` is the ref."""
        if type(ref) is str:
            self._judge_text(container, key, name, ref, grade)
        elif type(ref) is int:
            if grade == STRONG and abs(ref) >= 1_000:
                self._learn(str(ref), STRONG)
                container[key] = self._place(name, "int")
        elif type(ref) is list:
            node = self.values[ref[0]]
            kind = node[0]
            if kind == "live":
                self.live_touched = self.live_touched or grade >= WEAK
                container, key, ref = node, 2, node[2]  # the view is judged in its place; a view is never live itself
                if type(ref) is not list:
                    if type(ref) is str:
                        self._judge_text(container, key, name, ref, grade)
                    return
                node = self.values[ref[0]]
                kind = node[0]
            if kind in _TEXTS:
                if self._is_secret(name, node[2], grade):
                    self._learn(node[2], grade or STRONG)
                    self._empty(ref[0], name)
            elif grade == STRONG:
                if self._hides(node):
                    self._learn_below(ref[0])
                    self._empty(ref[0], name)
            elif grade and (kind in _LISTS or kind == "dict" or kind == "exact"):
                self._judge_below(ref[0], name, grade)
            elif grade == WEAK and kind == "object":
                self._judge_object(node)

    def _judge_text(self, container: Any, key: Any, name: str, text: str, grade: int) -> None:
        if self._is_secret(name, text, grade):
            self._learn(text, grade or STRONG)
            container[key] = self._place(name, "str")

    def _is_secret(self, name: str, text: str, grade: int) -> bool:
        if text and "/" in text[:3] and name.lower() in ("pwd", "oldpwd"):
            return False  # the shell's working directory, in every environment
        return _hidden_under(grade, text) or self.redactor.says(name, text)

    @staticmethod
    def _hides(node: Node) -> bool:
        """Whether a node under a strong name may hold a secret; types, modules, functions and exceptions do not."""
        kind = node[0]
        if kind in _LISTS or kind == "dict":
            return any(ref is not None and type(ref) is not bool and ref != "" for ref in (node[2][1::2] if kind == "dict" else node[2]))
        return kind in ("object", "int") or (kind == "exact" and node[1] in _EXACT_SECRETS)

    def _judge_below(self, index: int, name: str, grade: int) -> None:
        """The texts in plain containers under a name that is not strong; numbers and stand-ins stay."""
        seen = {index}
        waiting = [index]
        while waiting:
            at = waiting.pop()
            node = self.values[at]
            kind = node[0]
            if kind == "exact":
                if node[1] in _EXACT_SECRETS and grade == WEAK:
                    self._empty(at, name)
                continue
            items = node[2]
            for place in range(kind == "dict", len(items), 2 if kind == "dict" else 1):
                ref = items[place]
                if type(ref) is str:
                    if _hidden_under(grade, ref):
                        self._learn(ref, grade)
                        items[place] = self._place(name, "str")
                elif type(ref) is list:
                    inner = self.values[ref[0]]
                    if inner[0] in _TEXTS:
                        if _hidden_under(grade, inner[2]):
                            self._learn(inner[2], grade)
                            self._empty(ref[0], name)
                    elif ref[0] not in seen and (inner[0] in _LISTS or inner[0] in ("dict", "exact")):
                        seen.add(ref[0])
                        waiting.append(ref[0])

    def _judge_object(self, node: Node) -> None:
        """A stand-in under a weak name: what looks random in it is learned, and so hidden wherever it is, its repr included."""
        extra = node[4] or {}
        refs = [*(node[3] or {}).values(), *extra.get("items", ()), *extra.get("pairs", ())[1::2]]
        for ref in refs:
            text = self._text_of(ref)
            if text is not None and _opaque(text):
                self._learn(text, STRONG)
        for text in (node[2], extra.get("str")):
            for match in _made().random(text) if text else ():
                part = match[0].rpartition("=")[2] if "=" in match[0].rstrip("=") else match[0]
                if _opaque(part):
                    self._learn(part, STRONG)

    def _learn(self, text: str, grade: int) -> None:
        if _spreads(text, grade):
            self.known[text] = max(grade, self.known.get(text, 0))
        for start, end, inner in self.redactor.spans(text):  # the password in a URL, the token behind "Bearer"
            if _spreads(text[start:end], inner):
                self.known[text[start:end]] = inner

    def _learn_below(self, index: int) -> None:
        """The texts under a strong name: those in lists as if named themselves, those under other keys if they look random."""
        seen = {index}
        waiting = [index]
        while waiting:
            node = self.values[waiting.pop()]
            kind = node[0]
            refs: list[tuple[Ref, int]]
            if kind in _LISTS:
                refs = [(ref, STRONG) for ref in node[2]]
            elif kind == "dict":
                refs = [(ref, GUESS) for ref in node[2][1::2]]
            elif kind == "object":
                extra = node[4] or {}
                refs = [(ref, GUESS) for ref in (*(node[3] or {}).values(), *extra.get("items", ()), *extra.get("pairs", ())[1::2])]
                for text in (node[2], extra.get("str")):
                    for match in _made().random(text) if text else ():
                        self._learn(match[0], GUESS)
            else:
                continue
            for ref, grade in refs:
                found = self._text_of(ref)
                if found is not None:
                    self._learn(found, grade)
                elif type(ref) is list and ref[0] not in seen and kind != "object":  # an object may lead to the whole program
                    seen.add(ref[0])
                    waiting.append(ref[0])

    def _place(self, name: str, kind: str) -> Ref:
        """A ref to a node that says what was there. The name of a key may be long; what it starts with is enough."""
        self.count += 1
        what = f"{kind} {self.redactor.text(name[:60])}"
        index = self.places.get(what)
        if index is None:
            index = self.places[what] = len(self.values)
            self.values.append(["redacted", what])
        return [index]

    def _empty(self, index: int, name: str) -> None:
        kind = self.values[index][0]
        if kind != "redacted":
            self.count += 1
            self.values[index] = ["redacted", f"{kind} {self.redactor.text(name[:60])}"]

    # by shape, and what was learned

    def _each_text(self, change: Callable[[str, str], str]) -> None:
        """Puts change(text, name) in place of every text of the report."""
        for exception in self.report["exceptions"]:
            if "str" in exception:
                exception["str"] = change(exception["str"], "")
            if "text" in exception:
                exception["text"] = change(exception["text"], "")
            for mapping in (exception["fields"], exception["attributes"]):
                self._change_mapping(mapping, change)
            for key in ("args", "notes"):
                if type(exception.get(key)) is str:
                    exception[key] = change(exception[key], "")
        for frame in self.report["frames"]:
            if frame["locals"]:
                self._change_mapping(frame["locals"], change)
        for namespace in self.report["globals"]:
            self._change_mapping(namespace, change)
        for node in self.values:
            kind = node[0]
            if kind in _LISTS or kind == "dict" or kind == "exact":
                self._change_items(node[2], change)
            elif kind in _TEXTS:
                text = change(node[2], "")
                if text is not node[2]:
                    node[1] += len(text) - len(node[2])  # what was whole stays whole
                    node[2] = text
            elif kind == "object":
                if node[2]:
                    node[2] = change(node[2], "")
                if node[3]:
                    node[3] = self._change_mapping(node[3], change)
                extra = node[4]
                if extra:
                    if extra.get("str"):
                        extra["str"] = change(extra["str"], "")
                    for key in ("items", "pairs"):
                        if key in extra:
                            self._change_items(extra[key], change)
            elif kind == "live" and type(node[2]) is str:
                text = change(node[2], "")
                self.live_touched = self.live_touched or text is not node[2]
                node[2] = text

    @staticmethod
    def _change_items(items: list[Ref], change: Callable[[str, str], str]) -> None:
        for at, ref in enumerate(items):
            if type(ref) is str and len(ref) > 2:
                items[at] = change(ref, "")

    def _change_mapping(self, mapping: dict[str, Ref], change: Callable[[str, str], str]) -> dict[str, Ref]:
        renamed = False
        least = self.least_name
        self.texts += mapping
        for name, ref in mapping.items():
            if type(ref) is str and len(ref) > 2:
                text = change(ref, name)
                if text is not ref:
                    mapping[name] = text if text != MARK else self._place(name, "str")
            if len(name) >= least and change(name, "") is not name:
                renamed = True
        if renamed:
            items = [(change(name, ""), ref) for name, ref in mapping.items()]
            mapping.clear()
            mapping.update(items)
        return mapping

    def _by_shape(self, text: str, name: str) -> str:
        self.texts.append(text)
        redactor = self.redactor
        spans = redactor.spans(text)
        if redactor._extra is not None and not name and text != MARK and redactor.says("", text):
            spans = [(0, len(text), STRONG)]
        if not spans:
            return text
        for start, end, grade in spans:
            if _spreads(text[start:end], grade):
                self.known[text[start:end]] = grade
        self.count += len(spans)
        self.texts[-1] = changed = _marked(text, spans)
        return changed

    def _present(self) -> list[str]:
        """The secrets, longest first, in all the forms in which they still occur in the report."""
        if not self.known:
            return []
        # One long text is searched faster than a thousand short ones; secrets never hold the separator unless they are binary.
        everything = "\0".join(self.texts)
        sources = [text for text, _, _ in self.source_texts.values()]
        forms = {form for secret in self.known for form in _variants(secret) if len(form) >= _LEAST_SPREAD}
        self.texts.clear()
        live = (self.report["live"] or b"").decode("latin-1")
        found = {form for form in forms if form in everything or form in live or any(form in text for text in sources)}
        return sorted(found | self._cut_forms(forms, everything), key=len, reverse=True)

    @staticmethod
    def _cut_forms(forms: set[str], everything: str) -> set[str]:
        """The beginnings of long secrets that texts end with where they were cut."""
        cut = set()
        for form in forms:
            at = everything.find(form[:12]) if len(form) > 16 else -1
            while at >= 0:
                size = 12
                while size < len(form) and everything[at + size : at + size + 1] == form[size]:
                    size += 1
                if size < len(form) and (at + size == len(everything) or everything[at + size] in "\0.…'\"") and _opaque(form[:size]):
                    cut.add(form[:size])
                at = everything.find(form[:12], at + size)
        return cut

    def _scrub(self, text: str, secrets: list[str]) -> str:
        if len(text) < _LEAST_SPREAD:
            return text
        spans = [span for secret in secrets if secret in text for span in _occurrences(text, secret)]
        if not spans:
            return text
        spans = _merged(spans)
        self.count += len(spans)
        return _marked(text, spans)

    # sources

    source_texts: dict[str, tuple[str, int, tuple[tuple[str, int], ...]]]

    def _sources(self) -> None:
        sources = self.report["sources"]
        self.source_texts = {}
        for name, packed in list(sources.items()):
            found = self.redactor._sources.get(packed)
            if found is None:
                try:
                    text = zlib.decompress(packed).decode("utf-8", "surrogateescape")
                except zlib.error:
                    del sources[name]  # what cannot be read cannot be trusted either
                    self.count += 1
                    continue
                found = self.redactor.redacted_source(text, packed)
            self.source_texts[name] = found
            self.count += found[1]
            for secret, grade in found[2]:
                if _spreads(secret, grade):
                    self.known[secret] = max(grade, self.known.get(secret, 0))
            if found[1]:
                sources[name] = _packed(found[0])

    def _scrub_sources(self, secrets: list[str]) -> None:
        for name, (text, _, _) in self.source_texts.items():
            spans = [span for secret in secrets if secret in text for span in _occurrences(text, secret)]
            if spans:
                spans = _merged(spans)
                self.count += len(spans)
                self.report["sources"][name] = _packed(_filled(text, spans))

    # what is live, and what nothing refers to

    def _live(self, secrets: list[str]) -> None:
        live = self.report["live"]
        if live is None:
            return
        text = live.decode("latin-1")
        known = any(form in text for form in secrets)
        if not (self.live_touched or known or self.redactor.leaks(live)):
            return
        self.count += 1
        self.report["live"] = None
        atoms: dict[int, Ref] = {}
        for index, node in enumerate(self.values):
            if node[0] == "live":
                view = node[2]
                if type(view) is list:
                    self.values[index] = list(self.values[view[0]])
                else:
                    self.values[index] = ["redacted", "live value"]
                    atoms[index] = view
        if atoms:  # a view that is an atom has no node: it takes the place of the refs
            for holder in self._holders():
                for key, ref in list(holder.items() if isinstance(holder, dict) else enumerate(holder)):
                    if type(ref) is list and ref and ref[0] in atoms:
                        holder[key] = atoms[ref[0]]

    def _holders(self) -> Iterator[Any]:
        """Every dict and list of the report that holds refs."""
        for exception in self.report["exceptions"]:
            yield {key: exception[key] for key in ("args", "notes") if key in exception}
            yield exception["fields"]
            yield exception["attributes"]
        for frame in self.report["frames"]:
            if frame["locals"]:
                yield frame["locals"]
        yield from self.report["globals"]
        for node in self.values:
            yield from self._parts(node)

    @staticmethod
    def _parts(node: Node) -> Iterator[Any]:
        kind = node[0]
        if kind in _LISTS or kind == "dict" or kind == "exact":
            yield node[2]
        elif kind == "object":
            if node[3]:
                yield node[3]
            if node[4]:
                yield from (node[4][key] for key in ("items", "pairs") if key in node[4])
        elif kind == "live":
            yield node[2:3]

    def _sweep(self) -> None:
        """Empties the nodes that nothing leads to any more."""
        waiting = [index for holder in self._roots() for index in _indexes(holder)]
        reached = set(waiting)
        while waiting:
            for holder in self._parts(self.values[waiting.pop()]):
                for index in _indexes(holder):
                    if index not in reached:
                        reached.add(index)
                        waiting.append(index)
        for index in range(len(self.values)):
            if index not in reached and self.values[index][0] != "redacted":
                self.values[index] = ["redacted", "unused"]

    def _roots(self) -> Iterator[Any]:
        for exception in self.report["exceptions"]:
            yield [exception["args"], exception.get("notes")]
            yield exception["fields"]
            yield exception["attributes"]
        for frame in self.report["frames"]:
            yield frame["locals"] or ()
        yield from self.report["globals"]


def _indexes(holder: Any) -> list[int]:
    return [ref[0] for ref in (holder.values() if isinstance(holder, dict) else holder) if type(ref) is list]


def _packed(text: str) -> bytes:
    return zlib.compress(text.encode("utf-8", "surrogateescape"))
