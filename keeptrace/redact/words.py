"""The words in names of secrets, as data.

To teach a new name, add a word to a line. tests/test_redact_tables.py tries each line.
"""

# ruff: noqa: SIM905 - tables of words are read and extended as lines of words

from __future__ import annotations

from typing import Final

from .spans import GUESS, STRONG, WEAK

# The last one to three words of a name, joined: `apikey` stands for api_key, apiKey, API-KEY and
# "Api Key" alike.
_STRONG: Final = """
    password passwords passwd pwd pw psw passphrase passphrases passcode pgpass passwort senha
    contrasena psk pword pswd passwrd motdepasse kennwort wachtwoord clavesecreta claveprivada
    haslo heslo passord geslo parool slaptazodis fjalekalim katasandi katalaluan matkhau
    lozinka salasana losenord adgangskode jelszo sifre motpasse palavrapasse contrasenia
    zaporka fjalekalimi privatepem chiaveprivata chiavesegreta chiaveapi claveapi claveacceso
    llavesecreta llaveprivada cleapi
    cleprivee clesecrete cleacces apischluessel zugangsdaten geheimnis
    rootpw bindpw userpw adminpw ldappw dbpw
    secret secrets credential credentials creds cred clientsecret sharedsecret presharedkey
    apikey apikeys accesskey accesskeys accesskeyid secretkey secretkeys privatekey privatekeys
    privkey
    authkey authkeys encryptionkey encryptkey decryptionkey decryptkey signingkey signkey
    masterkey accountkey
    sharedkey hmackey jwtkey fernetkey aeskey rsakey sshkey sessionkey servicekey
    licensekey deploykey
    webhookkey clientkey appkey applicationkey consumerkey subscriptionkey cipherkey cryptokey
    securitykey kmskey
    functionskey insertkey ingestkey writekey querykey licencekey wrappingkey unsealkey rootkey
    clientkeydata masterauth
    accesstoken authtoken refreshtoken apitoken idtoken bearertoken sessiontoken securitytoken
    bottoken oauthtoken
    accesstokens authtokens refreshtokens apitokens clienttoken devicetoken csrftoken xsrftoken
    secrettoken sastoken
    authtokensecret logintoken usertoken personaltoken deploytoken resettoken jwttoken
    webhooktoken statetoken
    otp totp hotp otpsecret mfacode otpcode verificationcode securitycode recoverycode
    recoverycodes backupcodes
    authcode authorizationcode devicecode usercode unlockcode accesscode pincode invitecode
    onetimecode backupcode otpseed totpseed walletseed privateseed masterseed recoveryphrase
    backupphrase apisign accesssign honeycombteam
    cvv cvc cvv2 seedphrase seedwords secretseed seedhex mnemonic mnemonicphrase codeverifier
    webhookurl sharedaccesssignature
    csrfmiddlewaretoken magiclink authorizationauxiliary sessid sessionid
"""
# Parser tokens, request objects, cookie jars and auth handlers are called so as well.
# And a data source's name or address has its password within, which is found by itself.
_WEAK: Final = """
    token auth authorization cookie cookies csrf xsrf jwt jwts bearer sid oauth authheader pass
    tok tkn authtok parola sandi jeton
    dsn connectionstring connectionstr connstring connstr databaseurl databaseuri dburl dburi
    brokerurl
"""
# Text tokens, inspect.Signature, numbers: under these names only random-looking values are secrets.
_GUESS: Final = """
    tokens signature signatures sig pat nonce salt hmac secretid pin keymaterial session
    sessionids
    storagekey kek dek skey xprv clientassertion samlassertion samlresponse
"""
NAMES: Final[dict[str, int]] = {
    **dict.fromkeys(_STRONG.split(), STRONG),
    **dict.fromkeys(_WEAK.split(), WEAK),
    **dict.fromkeys(_GUESS.split(), GUESS),
    # `session_id` may be a row's number and `session` an object: text is hidden, the rest stays.
    "sessionid": WEAK,
    "sessid": WEAK,
}

# Endings of one-word names: PGPASSWORD, mysecret, PHPSESSID.
ENDINGS: Final = (
    "password",
    "passwd",
    "passphrase",
    "secret",
    "apikey",
    "secretkey",
    "accesskey",
    "privatekey",
    "credentials",
    "pwd",
)
WEAK_ENDINGS: Final = ("token", "sessid", "sessionid")

# `pass` is also a verb and a compiler's or a ticket's word: it is a password after one of these.
PASS_OF: Final = frozenset(
    """
    db database user usr admin root smtp imap mail email ftp sftp ssh mysql postgres pg redis
    mongo ldap proxy login my
    http basic rabbitmq amqp mqtt bind keystore truststore store key cert pem account sudo vnc
    wifi
    vault become samba smb cifs krb kerberos ansible oracle mssql sql sys jenkins nexus
    artifactory
    elastic kibana grafana kafka zookeeper cassandra neo influx couchdb couchbase jdbc odbc api
    master require auth privilege enable wlan router ipmi idrac ilo vpn ppp radius jks
    """.split()
)

# Words for a password in languages that put the qualifier behind: `senha_banco`, `clave_acceso`.
LEADING: Final = frozenset(
    """
    senha contrasena contrasenia passwort kennwort wachtwoord haslo heslo lozinka geslo parool
    passord losenord adgangskode salasana jelszo sifre slaptazodis
    """.split()
)
# Words of code that make such a name the name of something else.
FIELD_WORDS: Final = frozenset(
    """
    field id ids form label input name len length count type min max error errors url path file
    page view test policy regex hint
    feld felt campo veld pole polje
    """.split()
)

# Services that stand behind a secret's name, as the vendors do: `password_db`.
SERVICES: Final = frozenset(
    """
    db database smtp imap ldap mysql postgres postgresql pg redis mongo mongodb rabbitmq mqtt ftp
    sftp ssh vpn wifi kafka snowflake oracle jira kucoin openai
    """.split()
)
# Words behind a secret's name that leave it one; any other word makes it the name of something
# else.
STILL: Final = frozenset(
    """
    value val string str text txt bytes raw plain plaintext cleartext hash hashed digest confirm
    confirmation confirmed
    again repeat old new current previous prev temp tmp default input header b base hex encoded
    decoded encrypted
    decrypted base64 b64 env copy backup primary secondary prod production dev staging test live
    fallbacks fallback pem der blob data list v s binary
    """.split()
)
# As many words before "for" say what the secret is for: `the_password_for_db`.
FOR: Final = "for"

# Words in front that make it a question, a count or a place: `has_password`, `max_tokens`.
ASKING: Final = frozenset(
    """
    is has had use uses using needs need num n max min no show hide require requires required
    allow allows enable
    enabled disable disabled count len total with without forgot should can must
    """.split()
)

# Words in front of `token` that make it a place in a list, a piece of text or a coin.
OTHER_TOKENS: Final = frozenset(
    """
    next prev previous page continuation continue cancel cancellation sync resume marker pad eos
    bos unk sep cls mask
    stop special additional start end first last current prompt completion input output context
    image cached total
    lookahead peek word text parser lexer ast syntax bad unexpected expected raw left right
    close open operator
    """.split()
)

# Last words of names that are written apart: "API key", "OTP code".
LAST_WORDS: Final = frozenset("key keys code phrase token tokens".split())
# Words before "token" and "key" in messages of parsers and of tables.
PARSING: Final = frozenset(
    "unexpected expected at near missing undefined illegal unrecognized before after".split()
)

# Words in front of `key` that make it a place: the key of a row, a cache, a song, a map, a message.
OTHER_KEYS: Final = frozenset(
    """
    cache primary foreign public sort partition dict row lookup group unique natural composite
    hash index object
    bucket redis idempotency routing message translation config setting shard map join merge
    range search sub parent
    child file path s3 storage route item record field column table attr attribute property
    metadata label tag job
    task event queue topic schema name type class module state store memo cursor page hot any
    press up down left
    right arrow enter ctrl shift alt tab escape home end delete function music song major minor
    signature surrogate
    business candidate alternate super clustering grouping ordering unknown missing duplicate
    invalid bad expected
    first last next prev previous current old new this other each one verify verification
    verifying pub
    """.split()
)

# Companies whose `<name>_key` is a key of theirs. The names of shapes.py are added to them.
VENDORS: Final = frozenset(
    """
    openai anthropic mailgun mailchimp algolia azure rapidapi twilio stripe sendgrid gcp google
    aws github gitlab slack
    datadog sentry cohere mistral groq gemini deepseek openrouter perplexity tavily pinecone
    weaviate qdrant elastic
    cloudflare heroku vercel netlify supabase firebase mapbox pusher mixpanel amplitude
    braintree paypal
    shopify hubspot zendesk intercom dropbox notion airtable figma jira atlassian
    bitbucket circleci
    newrelic grafana pagerduty opsgenie okta auth0 cognito plaid coinbase binance kraken
    etherscan infura alchemy
    giphy youtube openweather newsapi serp serpapi huggingface hf replicate wandb
    langchain langsmith
    postmark resend ses nexmo vonage telnyx docusign npm pypi docker snyk sonar codecov rollbar
    bugsnag honeycomb
    """.split()
)

# Values without information: they stay even under a secret name.
PLACEHOLDERS: Final = frozenset(
    """
    none null nil true false undefined n/a na unset [filtered] <hidden> <secret> ... … str int
    bytes bool any
    """.split()
)

# Types: of columns, of data frames, of JSON schemas. They are left, too.
TYPES: Final = frozenset(
    """
    string text varchar char nvarchar nchar clob blob binary varbinary bytea integer bigint
    smallint tinyint number
    numeric decimal float float32 float64 double real int8 int16 int32 int64 uint8 uint16 uint32
    uint64 boolean object
    category array list dict tuple date time datetime datetime64 timestamp uuid json jsonb
    secretstr secretbytes
    largebinary unicode unicodetext large_string string[python] string[pyarrow] datetime64[ns]
    password hidden charfield textfield passwordinput password_input
    """.split()
)
# With the words of PROSE, all that a validator says of a password: "Too short".
COMPLAINTS: Final = frozenset(
    """
    short long weak strong common similar match matches matching blank null numeric alphanumeric
    entirely only digits digit letters letter upper lower uppercase lowercase case character
    characters symbol symbols special password passwords do does more less than between values
    length minimum maximum min max pwned breached reused guessable
    """.split()
)
# What a parser's token has beside its text; a key has no place in a text.
PLACES_IN_TEXT: Final = frozenset(
    """
    line lineno line_no column col col_offset pos position lexpos start_pos end_pos start_mark idx
    offset start_index tok_type pos_ tag_
    """.split()
)
# The names of values in help texts: --password TEXT.
METAVARS: Final = frozenset(
    """
    TEXT STRING STR VALUE VAL PASSWORD PASSWD PASS PWD PASSPHRASE SECRET TOKEN KEY FILE FILENAME
    PATH NAME USER URL HEX ARG
    """.split()
)
# What stands behind an option in a sentence: --password requires a value.
VERBS: Final = frozenset(
    "is are was were has must cannot can may requires needs expects takes conflicts and or".split()
)
# The keys of a JSON schema, of a form's field or of a column: what they describe is no secret
# itself.
DESCRIBING: Final = frozenset(
    """
    type types format minlength maxlength min_length max_length pattern title description help
    help_text label
    placeholder required nullable unique primary_key widget readonly read_only write_only
    writeonly errors error
    messages message msg code loc ctx input_type metavar dest nargs choices properties items
    name alias dtype length
    anyof allof oneof ref $ref enum examples autocomplete
    """.split()
)

# What stands after "password:" in prose, in messages of validators and in help.
PROSE: Final = frozenset(
    """
    is was are were must should cannot can may not no too has have had does do did required
    require missing invalid
    incorrect wrong empty expired expected unexpected optional unknown mismatch failed error
    denied rejected the a an
    this that your for of and or in to if when with field string number value ok yes accepted
    valid set unset given
    changed reset forbidden please enter at least characters use used
    """.split()
)

# Kinds of authentication: values of `auth` that are no secret.
SCHEMES: Final = frozenset(
    """
    basic bearer digest token oauth oauth2 ntlm kerberos negotiate apikey login required
    optional none
    """.split()
)

# Real passwords, but words of everyday text too: hidden where they stand, not searched for
# elsewhere.
EVERYDAY: Final = frozenset(
    """
    localhost default string unknown postgres postgresql rabbitmq mongodb example testing
    username administrator
    production development staging changeme function import return identifier operator number
    lambda global nonlocal
    assert except finally continue object module python public private password 123456 1234567
    12345678
    """.split()
)

# A text with none of these, and with no hint of a shape, has no secret's name in it.
STEMS: Final = (
    """
    pswd mot_de_pass mot-de-pass motdepass mot_pass motpass kennwort wachtwoord clave haslo heslo
    lozinka salasana losenord geslo parool slaptazod fjalekalim kata_sandi katasandi kata_laluan
    katalaluan zaporka sandi parol jeton tkn private_pem private-pem privatepem mat_khau matkhau
    contrasenia chiave llave cle_ cleapi clepriv cleacc clesecr
    schluessel zugangsdaten geheimnis assertion samlresp kek dek xprv
    adgangskode jelszo sifre api_sign api-sign apisign access_sign access-sign accesssign
    honeycomb
    card ccnum cc_num cc-num pan= pan: pan" pan' pass pwd pw psw psk pword senha contrasena
    secret cred key token tok auth dsn conn
    databaseur database_ur database
    dburl dburi db_ur db-ur broker otp mfa verif secur recover backup cvv cvc seed mnemonic
    webhook sess sid csrf xsrf
    accesscode access_code access-code invite usercode user_code user-code onetime one_time
    one-time
    pat= pat: pat" pat' pat_ jwt bearer cookie sig nonce salt hmac pin magic unlock
    device_code devicecode
    """
).split()

# A literal in source that is handed to one of these is still the literal of the name before.
WRAPPERS: Final = (
    r"(?:\w*Secret\w*|\w*Password\w*|str|bytes|bytearray|Token|Credentials?|Field"
    r"|(?:\w{1,20}\.)?(?:fromhex|unhexlify|b64decode|urlsafe_b64decode))\("
)

# Names whose every number is a secret, however short.
CODES: Final = frozenset(
    "otp totp hotp pincode cvv cvc cvv2 mfacode otpcode verificationcode securitycode".split()
)
# Endings of the names of a wallet's seed, which may be many words.
OF_PHRASES: Final = ("mnemonic", "phrase", "words", "seed")
CHECK_CODES: Final = frozenset(("cvv", "cvc", "cvv2"))
# Names of a payment card's number, and what stands beside it in a card's record.
CARD_NUMBERS: Final = frozenset(
    "cardnumber ccnumber creditcard creditcardnumber cardno pan ccnum cardnum".split()
)
CARD_SIBLINGS: Final = frozenset("cvv cvc cvv2 exp expiry expirationdate expmonth expyear".split())
# The private members of a JSON web key, which has a "kty".
WEB_KEY_PARTS: Final = frozenset("d p q dp dq qi k".split())
# A mapping with one of these among its keys is a table of words.
TABLE_WORDS: Final = frozenset("the of and to is that was an from which".split())
# Words for a password that no rule for ASCII splits.
FOREIGN: Final = frozenset(
    """
    contraseña contraseñas пароль парола лозинка 密码 密碼 口令 パスワード 비밀번호 암호 hasło şifre lösenord
    κωδικός סיסמה секрет 秘密鍵 mật_khẩu mật-khẩu كلمة_المرور slaptažodis clé_api clé_secrète
    clé_privée пасворд
    """.split()
)
# The shell's working directories, in every environment.
DIRECTORIES: Final = frozenset(("pwd", "oldpwd"))
# A record with two of these members holds a value and its name: {"name": "DB_PASSWORD",
# "value": "x"}. Written without "_" and "-"; "loc" and "input" are those of pydantic's errors.
ROW_NAMES: Final = frozenset(
    """
    name key k id variable variablename var envvar env setting settingname option optionname
    property propertyname header headername param paramname parameter parametername parameterkey
    configkey attribute field fieldname argument loc
    """.split()
)
ROW_VALUES: Final = frozenset(
    """
    value val v values parametervalue settingvalue optionvalue propertyvalue headervalue
    secretvalue stringvalue currentvalue newvalue oldvalue input
    """.split()
)
# Endings of weak names that also name a place: the SID of a database or a user, a data source.
PLACES: Final = ("sid", "dsn")
# Names of a host that may have user:password@ before it, as urllib leaves them.
HOSTS: Final = frozenset(
    "netloc host hostname originreqhost tunnelhost server authority proxy proxyhost address".split()
)
# Schemes and kinds of addresses: in "mailto:carol1@example.org" no user stands before the colon.
ADDRESSES: Final = frozenset(
    """
    mailto acct sip sips xmpp im pres jid email mail to cc bcc from reply-to user npm git pkg
    docker
    file http https contact author image
    """.split()
)
# Vendors whose name is an everyday word: `plain_key`, `segment_key` are names of other things.
EVERYDAY_VENDORS: Final = frozenset(
    """
    age amazon boundary brave courier lob persona plain polar render sanity scale
    segment temporal together vault retool linear square
    """.split()
)
