"""Secrets of known shapes, as data: one line a vendor (automaton.py compiles the table).

A shape is a prefix and a body. Vendors made the prefixes for searching, so a text with a prefix is
a secret under any name. Sources of the facts: the vendors' own pages and the public rule sets of
gitleaks, kingfisher, trufflehog and detect-secrets.

To teach a new vendor's key, add a line to SHAPES. A test is made from each line
(tests/test_redact_shapes.py): a random key of this shape is hidden, a shorter text is not.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Shape(NamedTuple):
    """The keys of one vendor."""

    vendor: str
    prefixes: str  # separated by spaces, in the vendor's spelling
    body: str  # the body: a regular expression, in which the ALPHABETS are short for a class
    is_common: bool = False  # everyday names have the prefix, too: the body must look random


# The letter after "%" in a body -> characters. Tests draw random keys from them.
ALPHABETS: Final = {
    "a": "A-Za-z0-9",
    "w": "A-Za-z0-9_-",
    "d": "0-9",
    "h": "0-9a-f",
    "H": "0-9A-Fa-f",
    "l": "a-z0-9",
    "u": "A-Z0-9",
    "b": "A-Za-z0-9+/",
}

SHAPES: Final[tuple[Shape, ...]] = (
    Shape("1Password", "ops_eyJ", "%b{60,}={0,2}"),
    Shape("Adafruit", "aio_", "%a{28}"),
    Shape("Adobe", "p8e-", "%l{32}"),
    Shape("Age", "AGE-SECRET-KEY-1", "%u{40,}"),
    Shape("Airtable", "pat", r"%a{14}\.%h{64}"),
    Shape("Alibaba", "LTAI", "%a{20}", True),
    Shape("Anthropic", "sk-ant-", "%w{30,}"),
    Shape("Artifactory", "AKCp cmVmd", "%a{57,}"),
    Shape("Atlassian", "ATATT3xFf ATCTT3xFf ATSTT3xFf", "%w{40,}(?:=%H{8})?"),
    Shape("Atlassian", "ATBB", "%a{32}"),
    Shape("AWS", "AKIA ASIA ABIA ACCA", "%u{16}"),
    Shape("AWS Bedrock", "ABSK", "%b{60,}={0,2}"),
    Shape("AWS Bedrock", "bedrock-api-key-", "%b{30,}={0,2}"),
    Shape("Beamer", "b_", "%w{44}", True),
    Shape("Bitbucket", "BBDC-", "%a{36,}"),
    Shape("Brevo", "xkeysib- xsmtpsib-", "%h{64}-%a{16}"),
    Shape("Buildkite", "bkua_ bkat_", "%l{40}"),
    Shape("Cerebras", "csk-", "%l{40,}"),
    Shape("CircleCI", "CCIPAT_ CCIPRJ_", "%a{16,}_%h{40}"),
    Shape("Clojars", "CLOJARS_", "%l{60}"),
    Shape("Cloudflare", "v1.0-", "%h{24}-%h{100,}"),
    Shape("Contentful", "CFPAT-", "%w{43}"),
    Shape("Databricks", "dapi", "%h{32}(?:-%d)?"),
    Shape("dbt", "dbtu_ dbts_ dbtc_", "%w{32,}", True),
    Shape("Deno", "ddp_ ddo_", "%a{36}"),
    Shape("DigitalOcean", "dop_v1_ doo_v1_ dor_v1_", "%h{64}"),
    Shape("Docker", "dckr_pat_ dckr_oat_", "%w{27,}"),
    Shape(
        "Doppler",
        "dp.pt. dp.st. dp.ct. dp.sa. dp.said. dp.scim. dp.audit.",
        r"(?:%w{1,35}\.)?%a{40,}",
    ),
    Shape("Dropbox", "sl. sl.u. sl.B.", "%w{100,}"),
    Shape("Duffel", "duffel_test_ duffel_live_", "%w{43}"),
    Shape("Dynatrace", "dt0c01. dt0s01. dt0s02.", r"%u{24}\.%u{64}"),
    Shape("E2B", "e2b_", "%h{40}"),
    Shape("EasyPost", "EZAK EZTK", "%a{54}"),
    Shape("Facebook", "EAAC EAAG EAAM EAAI", "%a{80,}"),
    Shape("Figma", "figd_ figo_ figu_", "%w{38,}"),
    Shape("Firecrawl", "fc-", "%h{32}"),
    Shape("Fireworks", "fw_", "%a{24}", True),
    Shape("Flutterwave", "FLWSECK_TEST- FLWSECK-", "%w{12,}"),
    Shape("Fly.io", "fo1_ fm1a_ fm1r_ fm2_", "%w{43,}"),
    Shape("Frame.io", "fio-u-", "%w{64}"),
    Shape("GitHub", "ghp_ gho_ ghu_ ghs_ ghr_", "%a{16,}"),
    Shape("GitHub", "github_pat_", "[A-Za-z0-9_]{20,}"),
    Shape(
        "GitLab",
        "glpat- gldt- glrt- glrtr- glptt- glft- glimt- glagent- gloas- glsoat- glffct- glwt-",
        r"%w{16,}(?:\.%w{2}\.%w{7,9})?",
    ),
    Shape("GitLab", "glcbt-", "(?:%H{1,5}_)?%w{20,}"),
    Shape("GitLab", "GR1348941", "%w{20,}"),
    Shape("Google", "AIza", "%w{30,}"),
    Shape("Google", "ya29.", "%w{16,}"),
    Shape("Google", "GOCSPX-", "%w{16,}"),
    Shape("Google", "1//0", "%w{40,}"),
    Shape("Grafana", "glc_", "%b{32,}={0,2}"),
    Shape("Grafana", "glsa_", "%a{32}_%H{8}"),
    Shape("Grafana", "eyJrIjoi", "%b{40,}={0,2}"),
    Shape("Groq", "gsk_", "%a{40,}"),
    Shape("Harness", "pat. sat.", r"%w{22}\.%h{24}\.%a{20}"),
    Shape("HashiCorp Vault", "hvs. hvb. hvr.", "%w{20,}"),
    Shape("Helicone", "sk-helicone-", "%w{20,}"),
    Shape("Heroku", "HRKU-", "%w{36,}"),
    Shape("Hugging Face", "hf_ api_org_", "%a{30,}"),
    Shape("Infracost", "ico-", "%a{32}"),
    Shape("Intra42", "s-s4t2ud- s-s4t2af-", "%h{64}"),
    Shape("Jina", "jina_", "%w{50,}"),
    Shape("LangSmith", "lsv2_pt_ lsv2_sk_ ls__", "%h{32}(?:_%h{10})?"),
    Shape("Langfuse", "sk-lf-", "%h{8}-%h{4}-%h{4}-%h{4}-%h{12}"),
    Shape("Linear", "lin_api_ lin_oauth_ lin_wh_", "%a{32,}"),
    Shape("Lob", "live_ test_", "%h{35}"),
    Shape("Mailgun", "key- private-", "%h{32}"),
    Shape("Mapbox", "sk.eyJ", r"%w{40,}\.%w{16,}"),
    Shape("Neon", "napi_", "%l{50,}"),
    Shape("Netlify", "nfp_ nfc_ nfo_ nfu_", "%a{36,}"),
    Shape("New Relic", "NRAK- NRAL- NRRA- NRIQ- NRII-", "%w{27,}"),
    Shape("New Relic", "NRJS-", "%h{19}"),
    Shape("Notion", "ntn_", "%a{40,}"),
    Shape("Notion", "secret_", "%a{43}"),
    Shape("npm", "npm_", "%a{30,}"),
    Shape("NVIDIA", "nvapi-", "%w{40,}"),
    Shape("Octopus", "API-", "%u{26}", True),
    Shape("OpenAI", "sk-proj- sk-svcacct- sk-admin- sk-None-", "%w{20,}"),
    Shape("OpenAI", "sk-", "%w{20,}", True),
    Shape("OpenRouter", "sk-or-v1- sk-or-", "%w{32,}"),
    Shape("OpenShift", "sha256~", "%w{43}"),
    Shape("Perplexity", "pplx-", "%a{32,}"),
    Shape("Pinecone", "pcsk_", "%w{50,}"),
    Shape(
        "Plaid",
        "access-sandbox- access-development- access-production-",
        "%h{8}-%h{4}-%h{4}-%h{4}-%h{12}",
    ),
    Shape("PlanetScale", "pscale_tkn_ pscale_pw_ pscale_oauth_", r"[\w=.-]{32,}"),
    Shape("PostHog", "phx_ phs_", "%a{32,}"),
    Shape("Postman", "PMAK-", "%h{24}-%h{34}"),
    Shape("Prefect", "pnu_ pnb_", "%a{36}"),
    Shape("Pulumi", "pul-", "%h{40}"),
    Shape("PyPI", "pypi-", "%w{40,}"),
    Shape("Razorpay", "rzp_live_ rzp_test_", "%a{14}"),
    Shape("ReadMe", "rdme_", "%l{70}"),
    Shape("Render", "rnd_", "%a{32}"),
    Shape("Replicate", "r8_", "%a{37}"),
    Shape("Resend", "re_", "%a{8}_%a{20,}", True),
    Shape("RubyGems", "rubygems_", "%h{48}"),
    Shape("Scalingo", "tk-us-", "%w{48}"),
    Shape("SendGrid", "SG.", r"%w{16,}\.%w{16,}"),
    Shape("Sentry", "sntrys_", "%b{40,}={0,2}(?:_%b{20,})?"),
    Shape("Sentry", "sntryu_", "%h{64}"),
    Shape("SettleMint", "sm_aat_ sm_pat_ sm_sat_", "%a{16,}"),
    Shape("Shippo", "shippo_live_ shippo_test_", "%h{40}"),
    Shape("Shopify", "shpat_ shpss_ shpca_ shppa_ shptka_", "%H{24,}"),
    Shape("Slack", "xoxa- xoxb- xoxe- xoxo- xoxp- xoxr- xoxs- xapp-", "[A-Za-z0-9-]{20,}"),
    Shape("Slack", "xoxe.xoxb- xoxe.xoxp- xoxc- xoxd-", "[A-Za-z0-9%/+=-]{20,}"),
    Shape("SonarQube", "sqp_ squ_ sqa_", "%h{40}"),
    Shape("Sourcegraph", "sgp_ sgp_local_", "(?:%h{16}_)?%h{40}"),
    Shape("Square", "sq0atp- sq0csp- sq0idp-", "%w{22,}"),
    Shape("Square", "EAAA", "%w{60}"),
    Shape("StackHawk", "hawk.", r"%w{20}\.%w{20}"),
    Shape("Stripe", "sk_live_ sk_test_ rk_live_ rk_test_ pk_live_ pk_test_", "%a{10,}"),
    Shape("Stripe", "whsec_", "[A-Za-z0-9+/=]{16,}"),
    Shape("Stytch", "secret-test- secret-live-", "%w{32,}", True),
    Shape("Supabase", "sbp_", "(?:v0_)?%h{40}"),
    Shape("Supabase", "sb_secret_", "%w{20,}"),
    Shape("Tailscale", "tskey-auth- tskey-api- tskey-client- tskey-scim-", "%a{6,}-%a{16,}"),
    Shape("Tavily", "tvly-", "%w{30,}"),
    Shape("Terraform", "atlasv1.", r"[\w=-]{60,}"),
    Shape("Twilio", "SK", "%h{32}"),
    Shape("Typeform", "tfp_", r"[\w.=-]{40,}"),
    Shape("Vercel", "vercel_blob_rw_", "%w{30,}"),
    Shape("Voyage", "pa-", "%w{43}", True),
    Shape("xAI", "xai-", "%a{60,}"),
    Shape("Yandex", "AQVN", "%w{35,}"),
    Shape("Yandex", "t1.", r"[A-Z0-9a-z_-]{20,}={0,2}\.[A-Z0-9a-z_-]{60,}={0,2}"),
    Shape("Zuplo", "zpka_", "%l{32}_%h{8}"),
)


class Pattern(NamedTuple):
    """A shape without a literal at its beginning."""

    what: str
    # a lower-cased text with the shape has one of these; none: every text is searched
    hints: tuple[str, ...]
    pattern: str  # group 1 is the secret, or the whole match without a group
    # Searched for only in texts with a long run of letters, digits and signs.
    is_key: bool = False


PATTERNS: Final[tuple[Pattern, ...]] = (
    # A private key in PEM form, also with escaped line ends, also cut off at either end.
    Pattern(
        "private key",
        ("private key",),
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"[\s\S]*?(?:-----END [A-Z0-9 ]{0,60}-----|\Z)",
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
    Pattern(
        "password in a URL",
        ("://",),
        r"""://[^\s:/@"'<>?#]{0,100}:([^\s/"'<>]{1,200})@(?=[\w.\[-])""",
    ),
    # A key in the user's place: https://key@host. Users are short, or words.
    Pattern("key in a URL", ("://",), r"://(?=[A-Za-z0-9_]{0,40}\d)([A-Za-z0-9_]{20,100})@"),
    # user/password@ of Oracle's drivers.
    Pattern(
        "password in a URL",
        ("jdbc:oracle:",),
        r"jdbc:oracle:\w+:[^\s/:@]{1,60}/([^\s@\"']{1,100})@",
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
        r"(?i)\bIDENTIFIED\s+(?:WITH\s+\w+\s+)?BY\s+(?!(?:the|an?|its|this|that|each)\s)"
        r"['\"]?([^\s'\";]{1,100})",
    ),
    Pattern(
        "password in SQL", ("encrypted password",), r"(?i)\bENCRYPTED\s+PASSWORD\s+'([^']{1,100})'"
    ),
    Pattern("password in ODBC", ("pwd={",), r"(?i)\bPWD=\{((?:[^}]|\}\}){1,200})\}"),
    # Lines of .netrc and .pgpass.
    Pattern("password in .netrc", ("login",), r"\blogin\s+\S{1,100}\s+password\s+(\S{1,200})"),
    Pattern(
        "password in .pgpass",
        (":5432:", ":5433:", ":6432:", ":*:"),
        r"(?m)^[\w.*-]{1,80}:(?:\d{2,5}|\*):[\w*-]{1,60}:[\w*-]{1,60}:([^\s:]{4,100})$",
    ),
    Pattern(
        "token in a URL",
        ("?key=", "&key="),
        r"[?&]key=((?=[\w-]{0,60}\d)[\w-]{24,100})(?=[&#\s\"']|$)",
    ),
)
