"""Secrets whose shape has no vendor's prefix at its beginning, as data.

To teach a new one, add a Pattern and its example and neighbour to tests/test_redact_tables.py.
"""

from __future__ import annotations

from typing import Final


class Pattern:
    """A shape without a literal at its beginning.

    hints: a lower-cased text with the shape has one of these; none: every text is searched.
    pattern: group 1 is the secret, or the whole match without a group.
    is_key: searched for only in texts with a long run of letters, digits and signs.
    """

    __slots__ = ("hints", "is_key", "pattern", "what")

    def __init__(
        self, what: str, hints: tuple[str, ...], pattern: str, is_key: bool = False
    ) -> None:
        self.what: str = what
        self.hints: tuple[str, ...] = hints
        self.pattern: str = pattern
        self.is_key: bool = is_key


PATTERNS: Final[tuple[Pattern, ...]] = (
    # A private key in PEM form, also with escaped line ends, also cut off at either end.
    Pattern(
        "private key",
        ("private key",),
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"[\s\S]*?(?:-----END [A-Z0-9 ]{0,60}-----|\Z)",
    ),
    Pattern(
        "private key",
        ("static key v1",),
        r"-----BEGIN OpenVPN Static key V1-----[\s\S]*?(?:-----END [\w ]{0,60}-----|\Z)",
    ),
    # Beginnings of private keys' DER in base64: PKCS#1, PKCS#8, and keys of elliptic curves.
    Pattern(
        "private key",
        ("mii", "mhccaqee", "mighageam", "mig2ageam", "mc4caqawbqydk2v"),
        r"(?<![A-Za-z0-9+/])((?:MII[A-Za-z0-9+/]{3}IBA[AD]|MHcCAQEE|MIG[H2]AgEAM|MC4CAQAwBQYDK2V)"
        r"[A-Za-z0-9+/=]{20,}+(?:\s{1,4}[A-Za-z0-9+/=]{32,}+)*+)",
        True,
    ),
    # PEM in base64: "-----BEGIN" is LS0tLS1CRUdJTi at the beginning.
    Pattern("private key", ("ls0tls1crudjti",), r"LS0tLS1CRUdJTi[A-Za-z0-9+/=]{20,}+", True),
    # The password in scheme://user:password@host. The user may be empty (redis://:password@host).
    # The name of a later value is none: ${PASSWORD}, $PASSWORD, {password}, %(password)s, %s, ***.
    Pattern(
        "password in a URL",
        ("://",),
        r"""://[^\s:/@"'<>?#]{0,100}:"""
        r"(?!(?:\$?\{[\w.]{0,60}\}|\$[A-Z_]{2,60}|%(?:\(\w{1,60}\))?s|\*{3,})@)"
        r"""([^\s/"'<>]{1,200})@(?=[\w.\[-])""",
    ),
    # The same with a slash in the password; a port has digits alone.
    Pattern(
        "password in a URL",
        ("://",),
        r"""://[^\s:/@"'<>?#\[]{0,100}:(?!\d{1,5}/)"""
        r"""([^\s/@"'<>]{1,100}/[^\s@"'<>]{1,100})@(?=[\w.\[-])""",
    ),
    # A key in the user's place: https://key@host. Users are short, or words.
    Pattern("key in a URL", ("://",), r"://(?=[A-Za-z0-9_]{0,40}\d)([A-Za-z0-9_]{20,100})@"),
    # user/password@ of Oracle's drivers.
    Pattern(
        "password in a URL",
        ("jdbc:oracle:",),
        r"jdbc:oracle:\w+:[^\s/:@]{1,60}/([^\s@\"']{1,100})@",
    ),
    Pattern(
        "password in a URL",
        ("@",),
        r"(?<![\w/.@:])\w{1,30}/([^\s/@\"']{4,60})@(?://)?[\w.-]{1,100}:\d{2,5}/\w",
    ),
    # Header values. A word of letters only ("Bearer authentication") is prose.
    Pattern(
        "bearer token",
        ("bearer",),
        r"\b[Bb](?:earer|EARER)(?:\s|%20|\+){1,3}"
        r"((?=[\w.~+/=-]{0,200}\d|[\w.~+/=-]{24})[\w.~+/=-]{6,}+)(?![\"']?=[\"'])",
    ),
    Pattern(
        "basic authentication",
        ("basic",),
        r"\b[Bb](?:asic|ASIC)\s{1,3}((?=[\w+/]{0,200}(?:\d|[a-z][A-Z]|=))"
        r"(?:[\w+/]{4}){2,}+(?:[\w+/]{2,3}=?=)?(?![\w+/=]))(?=[\s\"'\\,;)\]}]|$)",
    ),
    Pattern(
        "token of a header",
        ("authorization", "authenticate"),
        r"(?i:\b(?:token|apikey|api-key|ssws|geniekey)\s{1,3})"
        r"((?=[\w.~+/=-]{0,80}\d)[\w.~+/=-]{8,}+)",
    ),
    # JSON web tokens: a header with {" in base64 at its beginning, and a second part.
    Pattern(
        "JSON web token",
        ("eyj",),
        r"eyJ(?<![\w-]eyJ)[\w-]{8,}+\.[\w-]{4,}+(?:\.[\w-]*+){0,3}",
        True,
    ),
    Pattern(
        "webhook of Slack",
        ("hooks.slack.com",),
        r"hooks\.slack\.com/(?:services|workflows|triggers)/([\w/]{16,}+)",
    ),
    Pattern(
        "webhook of Discord",
        ("/webhooks/",),
        r"discord(?:app)?\.com/api(?:/v\d+)?/webhooks/\d{10,20}/([\w-]{40,}+)",
    ),
    Pattern(
        "webhook of Teams",
        ("/incomingwebhook/",),
        r"/IncomingWebhook/([\w-]{16,}+(?:/[\w-]{16,}+){0,2})",
    ),
    Pattern(
        "webhook of Zapier", ("hooks.zapier.com",), r"hooks\.zapier\.com/hooks/catch/\d+/(\w{6,}+)"
    ),
    Pattern(
        "signature of a URL",
        ("sig=", "signature="),
        r"[?&](?:sig|Signature|X-Amz-Signature|X-Goog-Signature)=([\w%+/=-]{16,}+)",
    ),
    Pattern(
        "token of Discord",
        (),
        r"(?<![\w.-])([MNO][A-Za-z0-9_-]{22,27}\.[\w-]{6}\.[\w-]{27,40})(?![\w-])",
        True,
    ),
    # A chat bot's token: its number and 35 characters.
    Pattern("token of Telegram", (":aa",), r"\b\d{8,10}:(AA[\w-]{33})(?![\w-])", True),
    Pattern(
        "key of Mailchimp", ("-us",), r"(?<![0-9A-Za-z])([0-9A-Za-z]{32}-us\d{1,2})(?!\w)", True
    ),
    Pattern(
        "secret of Azure", ("q~",), r"(?<![\w~.-])([\w~.]{3}\dQ~[\w~.-]{31,34})(?![\w~-])", True
    ),
    Pattern(
        "token of Azure DevOps",
        ("azdo",),
        r"(?<!\w)([A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4})(?!\w)",
        True,
    ),
    Pattern(
        "token of Terraform", (".atlasv1.",), r"([A-Za-z0-9]{14}\.atlasv1\.[\w=-]{40,}+)", True
    ),
    Pattern("token of PayPal", ("access_token$",), r"(access_token\$\w+\$\w{8,}\$\w{16,})", True),
    Pattern(
        "password in SQL",
        ("identified",),
        # not "the resource identified by the request", which is no SQL
        r"(?:(?i:\b(?:CREATE|ALTER|GRANT)\b[^;\n]{0,300}?\bIDENTIFIED)|\bIDENTIFIED)"
        r"(?i:\s+(?:WITH\s+\w+\s+)?BY)\s+(?!(?:the|an?|its|this|that|each)\s)"
        r"['\"]?([^\s'\";]{1,100})",
    ),
    Pattern(
        "password in SQL", ("encrypted password",), r"(?i)\bENCRYPTED\s+PASSWORD\s+'([^']{1,100})'"
    ),
    Pattern(
        "password in SQL",
        ("set password",),
        r"(?i)\bSET\s+PASSWORD\s+(?:FOR\s+[^=\n]{1,100})?=\s*"
        r"(?:PASSWORD\s*\()?\s*'([^'\n]{1,100})'",
    ),
    Pattern(
        "password in PowerShell",
        ("asplaintext",),
        r"""(?i)ConvertTo-SecureString\s+(?:-String\s+)?["']([^"'\n]{1,200})["']""",
    ),
    Pattern(
        "password in a wireless network's code",
        ("wifi:",),
        r"(?i)\bWIFI:(?:[^;\n]{0,60};){0,4}?P:((?:\\.|[^;\\\n]){1,100});",
    ),
    Pattern("password in ODBC", ("pwd={",), r"(?i)\bPWD=\{((?:[^}]|\}\}){1,200})\}"),
    # Lines of .netrc and .pgpass.
    Pattern(
        "password in .netrc",
        ("login",),
        r"(?m)(?:\bmachine\s+\S{1,200}\s+|\bdefault\s+|^[ \t]*)login\s+(?!(?:and|or|with|to|via)\s)"
        r"\S{1,100}\s+(?:account\s+\S{1,100}\s+)?password\s+(\S{1,200})",
    ),
    Pattern(
        "password in .pgpass",
        (":5432:", ":5433:", ":6432:", ":*:"),
        r"(?m)^[\w.*-]{1,80}:(?:\d{2,5}|\*):[\w*-]{1,60}:[\w*-]{1,60}:([^\s:]{4,100})$",
    ),
    # The same line in a sentence. After a line number there may be the level of a record. Words of
    # small letters at the end are a log's own.
    Pattern(
        "password in .pgpass",
        (":5432:", ":5433:", ":6432:"),
        r"(?<![\w.*:/@-])[\w.*-]{1,80}:(?:5432|5433|6432)"
        r":(?!(?i:debug|info|warn|warning|error|critical):)[A-Za-z_*][\w*-]{0,59}:[\w*-]{1,60}"
        r":(?=[^\s:]{0,99}[^\s:\d])(?=[^\s:'\",;()<>]{0,99}[^\s:'\",;()<>.a-z])"
        r"([^\s:'\",;()<>]{4,100})(?=[\s'\",;)]|\.?$)",
    ),
    Pattern(
        "password in .pgpass",
        ("pgpass",),
        r"(?<![\w.*:/@-])[\w.*-]{1,80}:(?:\d{2,5}|\*):[\w*-]{1,60}:[\w*-]{1,60}"
        r":([^\s:'\",;()<>]{4,100})(?=[\s'\",;)]|\.?$)",
    ),
    # In code, the second argument of login() and of classes for basic authentication, the third of
    # MySQL's connect().
    Pattern(
        "password of a call",
        (".login(", "auth(", "access_token(", "mysqldb.connect(", "pymysql.connect("),
        r"(?:\.login|\b(?:HTTP)?(?:Basic|Digest|Ntlm)Auth|\b(?:MySQLdb|pymysql)\.connect\("
        r"\s{0,40}[\"'][^\"'\n]{1,100}[\"'],|\bset_access_token)"
        r"\(?\s{0,40}[\"'][^\"'\n]{1,200}[\"']\s{0,4},\s{0,40}"
        r"[\"'](?!(?:pass|passwd|password|pwd|secret)[\"'])([^\"'\n]{4,200})[\"']",
    ),
    Pattern(
        "password of a call",
        ("auth=(", "auth = ("),
        r"\bauth ?= ?\(\s{0,40}[\"'][^\"'\n]{1,100}[\"'],\s{0,40}"
        r"[\"'](?=[^\"'\n]{0,199}[\d!@#$%^&*])([^\"'\n]{4,200})[\"']\s{0,40},?\s{0,40}\)",
    ),
    Pattern(
        "token of Twilio",
        ("ac",),
        r"\bAC[0-9a-f]{32}[\"']\s{0,4},\s{0,40}[\"']([0-9a-f]{32})[\"']",
        True,
    ),
    # The answer to a prompt for a password, in scripts of expect and pexpect; \r and \n end it.
    Pattern(
        "answer to a prompt",
        ("assword", "assphrase"),
        r"(?:\bexpect\w{0,10}[\s(][^\n\"'{]{0,20}+[\"'{][^\n\"']{0,60}?(?i:assword|assphrase)"
        r"(?:[^\"'\n:]{0,20}+:[^\"'\n]{0,20}+|\W{0,5}?)[\"'}]"
        r"(?:(?!(?:exp_)?send)[^\n]){0,60}+\n?+(?:(?!(?:exp_)?send)[^\n]){0,40}+"
        r"|(?i:assword|assphrase)[^\"'\n]{0,30}[\"']\s{0,4}\{\s{0,20})"
        r"\b(?:exp_)?send(?:line)?(?:\s+--)?[\s(]{1,4}[bru]{0,2}[\"'](?!\$|\{)"
        r"([^\"'\\\n]{4,100})(?:\\{1,2}[rn]){0,2}[\"']",
    ),
    # 32 random bytes; the last character before the sign has four bits alone.
    Pattern(
        "key of Fernet",
        ("fernet", "crypt"),
        r"(?i:fernet|crypt)(?:(?!(?i:digest|hash|sha|sum))[^\n]){0,40}?"
        r"(?<![\w+/=-])([\w-]{42}[AEIMQUYcgkosw048]=)(?![\w=])",
        True,
    ),
    Pattern(
        "token in a URL",
        ("?key=", "&key=", "?appid=", "&appid="),
        r"[?&](?:key|appid)=((?=[\w-]{0,60}\d)[\w-]{24,100})(?=[&#\s\"'),.:;>\]]|$)",
    ),
    Pattern(
        "token in a URL",
        ("?code=", "&code="),
        r"[?&]code=((?=[\w%./~-]{0,80}\d)[\w%./~-]{20,600}+)(?=[&#\s\"'),:;>\]]|$)",
    ),
    Pattern(
        "private part of a JSON web key",
        ("kty",),
        r"\"(?:d|p|q|dp|dq|qi|k)\\{0,3}\"\s{0,4}:\s{0,4}\\{0,3}\"([\w=+/-]{20,2000})",
    ),
    # Azure's newer keys hold the name of their service near the end.
    Pattern(
        "key of Azure",
        ("azse", "azfu", "azca", "azeg", "acdb", "aiot", "+ast", "+asb", "+aeh", "+aba", "+acr"),
        r"(?<![A-Za-z0-9+/])([A-Za-z0-9+/]{33,76}"
        r"(?:AzSe|AzFu|AzCa|AZEG|ACDb|AIoT|\+ASt|\+ASb|\+AEh|\+ABa|\+ACR)"
        r"[A-Za-z0-9+/]{4,10}={0,2})(?![A-Za-z0-9+/=])",
        True,
    ),
    Pattern(
        "key of Azure OpenAI",
        ("jqqj99",),
        r"(?<![A-Za-z0-9])([A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{14,30})(?![A-Za-z0-9])",
        True,
    ),
    Pattern(
        "token of a Facebook app",
        ("|",),
        r"(?<![\w|])(\d{15,16}\|[\w-]{27,40})(?![\w|-])",
        True,
    ),
    Pattern(
        "key of MaxMind", ("_mmk",), r"(?<!\w)([A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk)(?!\w)", True
    ),
    Pattern("key of New Relic", ("nral",), r"(?<!\w)(\w{6}[0-9a-f]{30}NRAL)(?!\w)", True),
    Pattern(
        "token of Asana",
        ("1/1", "2/1"),
        r"(?<![\w/])([12]/\d{15,17}(?:/\d{15,17})?:[0-9a-f]{32})(?!\w)",
        True,
    ),
    Pattern(
        "token of Vault",
        ("s.",),
        r"(?<![\w.])(s\.(?=[A-Za-z]*\d[A-Za-z]*\d)(?=[^A-Z]*[A-Z])(?=[^a-z]*[a-z])[A-Za-z0-9]{24})"
        r"(?![\w.(])",
        True,
    ),
    Pattern(
        "token of Twitter",
        ("aaaaaaaaaaaaaaaaaaaa",),
        r"(?<![\w+/])(A{20,24}[A-Za-z0-9]{20,80}%(?:3D|2[BbFf])[\w%]{20,200})",
        True,
    ),
    Pattern(
        "token of Telegram",
        ("api.telegram.org", "tgram://"),
        r"(?:api\.telegram\.org/(?:file/)?bot|tgram://)(\d{6,12}:[\w-]{30,50})",
    ),
    # Webhooks have their secret in the path.
    Pattern(
        "address of a webhook",
        ("hook",),
        r"/(?:hook|hooks|webhook|webhooks)/"
        r"((?:[A-Za-z0-9]{1,40}/)?(?=[A-Za-z0-9]{0,99}\d)"
        r"(?=[A-Za-z0-9]{0,99}[a-z])[A-Za-z0-9]{24,100}"
        r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?![\w-])",
    ),
    Pattern("address of a webhook", ("hook.",), r"//hook\.(?:\w+\.)?make\.com/(\w{20,60})"),
    Pattern("address of a webhook", ("/with/key/",), r"/with/key/([\w-]{16,60})"),
    # Links that let whoever has them in: of a mail, or of a node of a blockchain.
    Pattern(
        "token in a path",
        ("/reset", "-reset/", "/magic", "/invit", "/verify-email", "/activate", "/confirm"),
        r"/(?:reset|reset-password|password-reset|magic|magic-link|invite|invites|invitation"
        r"|invitations|verify-email|activate|confirm)/(?:[A-Za-z0-9_]{1,20}/(?=[a-z0-9]{1,13}-))?"
        r"((?:[a-z0-9]{1,13}-)?(?=[A-Za-z]{0,40}\d)[A-Za-z0-9]{20,100})(?![\w.-])",
    ),
    Pattern(
        "token in a path",
        ("infura.io/", "alchemy.com/", "quiknode.pro/", "rpc.ankr.com/"),
        r"(?:infura\.io/(?:ws/)?v3|alchemy\.com/v2|quiknode\.pro|rpc\.ankr\.com/\w{2,20})"
        r"/([\w-]{16,64}+)",
    ),
    Pattern(
        "token in a form",
        ("<input",),
        r"<input\s[^<>]{0,200}?\bvalue=[\"']([^\"'<>]{8,400})[\"'][^<>]{0,100}?"
        r"\bname=[\"'][\w-]{0,40}(?i:token|csrf|secret|password)[\"']",
    ),
    Pattern(
        "secret in JSON in a URL",
        ("%22%3a",),
        r"(?i)%22\w{0,40}(?:password|passwd|secret|token|api_?key)%22%3A(?:%20|\+)?%22"
        r"((?:(?!%22)[^\s&]){4,500})",
    ),
    Pattern(
        "key of a seal",
        ("unseal key", "recovery key"),
        r"(?i)\b(?:unseal|recovery) key \d{1,2}: ([\w+/=]{20,100})",
    ),
    # 32 bytes in base32 with a kind before and a check sum behind.
    Pattern(
        "seed of NATS or Stellar",
        (),
        r"(?<!\w)(S(?=[A-Z]{0,40}[2-7])[A-Z2-7]{55}(?:[A-Z2-7]{2})?)(?!\w)",
        True,
    ),
    # Hashes of passwords, as systems and frameworks keep them.
    Pattern("hash of a password", ("$2",), r"(?<!\w)(\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53})(?![\w/])"),
    Pattern(
        "hash of a password",
        ("$argon2",),
        r"(\$argon2(?:id|i|d)\$(?:v=\d{1,3}\$)?[a-z0-9=,]{6,60}\$[\w+/]{11,100}\$[\w+/]{16,200})",
    ),
    Pattern(
        "hash of a password",
        ("$1$", "$5$", "$6$", "$y$", "$7$"),
        r"(?<![\w$])(\$[1567y]\$(?:[\w=./]{1,40}\$){1,2}[./A-Za-z0-9]{22,100})(?![\w/])",
    ),
    Pattern(
        "hash of a password",
        ("pbkdf2", "bcrypt_sha256", "scrypt"),
        r"\b((?:pbkdf2_sha\d+|pbkdf2:sha\d+|bcrypt_sha256|scrypt)"
        r"[:$][\w:.=-]{1,40}\$[\w$./+=-]{40,300})",
    ),
    Pattern(
        "private key of PuTTY", ("private-lines:",), r"Private-Lines: \d+\s+([A-Za-z0-9+/=\s]{40,})"
    ),
)
