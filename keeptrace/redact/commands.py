"""Passwords on command lines, joined in a text or as a list of arguments.

To teach a new program, add a line to PROGRAMS.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Final

from .looks import is_placeholder, is_template, is_unusual
from .names import grade
from .spans import STRONG, Span

# program, or program and subcommand -> the options, or words, whose value is a password. "-p*": the
# value is joined to it.
PROGRAMS: Final[dict[str, str]] = {
    **dict.fromkeys(
        ("mysql", "mysqldump", "mysqladmin", "mysqlimport", "mysqlsh", "mariadb", "mariadb-dump"),
        "-p*",
    ),
    **dict.fromkeys(
        ("mongo", "mongosh", "mongodump", "mongorestore", "mongoimport", "mongoexport"), "-p"
    ),
    **dict.fromkeys(("sshpass",), "-p -p*"),
    **dict.fromkeys(("docker login", "podman login", "skopeo login", "buildah login"), "-p"),
    **dict.fromkeys(("nerdctl login", "oras login", "oc login", "cf login", "az login"), "-p"),
    **dict.fromkeys(
        ("sqlcmd", "mosquitto_pub", "mosquitto_sub", "zip", "unzip", "mssql-cli"), "-P"
    ),
    **dict.fromkeys(("bcp", "osql", "tsql", "isql"), "-P"),
    **dict.fromkeys(("useradd", "usermod", "rdesktop", "beeline", "rabbitmqadmin"), "-p"),
    **dict.fromkeys(("plink", "pscp", "psftp", "putty", "nodetool"), "-pw"),
    **dict.fromkeys(("xfreerdp", "wfreerdp"), "/p:*"),
    **dict.fromkeys(("redis-cli", "redis-benchmark", "ftp", "snmpwalk", "snmpget"), "-a -A -X"),
    **dict.fromkeys(("ldapsearch", "ldapadd", "ldapmodify", "ldapwhoami", "ldapdelete"), "-w"),
    **dict.fromkeys(("7z", "7za", "rar", "unrar"), "-p*"),
    **dict.fromkeys(("keytool", "jarsigner"), "-storepass -keypass -srcstorepass -deststorepass"),
    "ipmitool": "-P",
    "ldappasswd": "-w -s -a",
    "nmcli": "password wifi-sec.psk",
    "openssl": "-k -K",
    "pdftk": "input_pw user_pw owner_pw",
    "schtasks": "/rp",
    "ssh-keygen": "-N -P",
}
# program, or program and subcommands -> the position, from 0, of the password among the arguments
# behind these that are no options.
POSITIONS: Final[dict[str, int]] = {
    "htpasswd": 2,
    "vncpasswd": 0,
    "vault login": 0,
    "net user": 1,
    "mc alias set": 3,
    "rabbitmqctl add_user": 1,
    "rabbitmqctl change_password": 1,
    "radtest": 1,
}
# program -> the option whose value is a user and a password, and the sign between both. No option:
# any argument. "-u*": the value is joined to it.
USERS: Final[dict[str, tuple[str, str]]] = {
    "curl": ("-u*", ":"),
    "http": ("-a", ":"),
    "https": ("-a", ":"),
    "xh": ("-a", ":"),
    "lftp": ("-u", ","),
    "smbclient": ("-U", "%"),
    "rpcclient": ("-U", "%"),
    "sqlplus": ("", "/"),
    "chpasswd": ("", ":"),
}
# Programs whose -u or -U gives no user.
_OTHER_U: Final = frozenset(
    [
        "cp",
        "mv",
        "rsync",
        "sort",
        "diff",
        "uniq",
        "date",
        "python",
        "python3",
        "ss",
        "nc",
        "git",
        "tar",
    ]
)
# `aws configure set NAME VALUE`: behind these words a secret name has its value.
_SETTERS: Final = frozenset(("set", "config", "configure"))
# Options of any program whose value is user:password.
_USER_OPTIONS: Final = ("-u", "--user", "-U", "--proxy-user", "--basic-auth")
_USER_STARTS: Final = tuple(f"{option}=" for option in _USER_OPTIONS)
# Options of openssl, whose value is pass:password.
_OPENSSL_OPTIONS: Final = ("-passin", "-passout", "-pass")
_USERS: Final = "|".join(re.escape(option) for option in _USER_OPTIONS)
# Distance in front of options at which a program is searched. (characters)
_MOST_BEFORE: Final = 300
# For any program: `-p` is a password if `-u` gives a user beside it.
_PAIR: Final = ("-u", "-p")
# More arguments than a person types; a longer list is data. (arguments)
_MOST_ARGUMENTS: Final = 200


_ALL: Final = frozenset(
    name.partition(" ")[0] for name in (*PROGRAMS, *POSITIONS, *USERS, "wget", "aws", "npm", "git")
)


@cache
def _starts() -> re.Pattern[str]:
    names = "|".join(re.escape(name) for name in sorted(_ALL, reverse=True))
    return re.compile(rf"(?<![\w-])(?:{names})(?=\s)|(?<=[\s'\"])(?:{_USERS})(?=[\s='\"])")


def may_have(low: str) -> bool:
    """Whether a lower-cased text may have a command line with a password."""
    return _starts().search(low) is not None or _PIPED in low


# Every command line with a password has one of these, lower-cased, or a stem of a name.
HINTS: Final = (
    "-u ",
    "-u'",
    "-p ",
    "-p'",
    "--user",
    "net use",
    "sudo -s",
    *(f"{name.partition(' ')[0]} " for name in (*PROGRAMS, *POSITIONS, *USERS)),
)


def is_command(arguments: Sequence[object]) -> bool:
    """Whether so many values, if each is a text, look like the arguments of a program."""
    return 2 <= len(arguments) <= _MOST_ARGUMENTS


def passwords(arguments: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """The number of each argument with a password, and the password's begin and end."""
    command = _Command(arguments)
    for at in range(1, len(arguments)):
        start = command.start_of_password(at)
        if start is not None:
            yield at, start, len(arguments[at])
        if arguments[at].startswith("pass:") and arguments[at - 1] in _OPENSSL_OPTIONS:
            yield at, len("pass:"), len(arguments[at])


class _Command:
    """One command line; ask about its arguments in their order."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = arguments
        path = arguments[0].replace("\\", "/")
        program = path.rpartition("/")[2].removesuffix(".exe").lower()
        names = _names_of(program, arguments)
        known = next((name for name in names if name in PROGRAMS), None)
        self._options: list[str] = []
        self._joined: list[str] = []
        if known is not None:
            self._options, self._joined = _options_of(known)
        self._program = program
        is_prompt = _PAIR[1] in self._joined  # `mysql -u bob -p shop` asks for the password
        self._has_user = program not in _OTHER_U and _PAIR[0] in arguments and not is_prompt
        self._user_option, self._user_sign = USERS.get(program, ("-", ""))
        self._place = next((name for name in names if name in POSITIONS), "")
        # The position of the newest argument that is no option; subcommands do not count.
        self._position = -1 - self._place.count(" ")

    def start_of_password(self, at: int) -> int | None:
        """Where the password of an argument begins; None if the argument has none."""
        argument, before = self._arguments[at], self._arguments[at - 1]
        start = self._start_after_user(argument, before)
        if start is not None:
            return start
        if before in self._options or self._follows_pair(before, argument):
            return _start_if_password(argument, 0)
        for option in self._joined:
            if argument.startswith(option):
                return _start_if_password(argument, len(option))
        if argument.startswith("-") or _is_switch(argument):
            return None
        return self._start_of_plain(argument, before, at)

    def _start_after_user(self, argument: str, before: str) -> int | None:
        """Where the password behind a user begins."""
        is_user = before in _USER_OPTIONS or argument.startswith(_USER_STARTS)
        start = None
        if is_user and self._program not in _OTHER_U:
            start = _start_after_user(argument)
        if start is None and self._user_sign:
            start = self._start_after_sign(argument, before)
        return start

    def _start_of_plain(self, argument: str, before: str, at: int) -> int | None:
        """Where the password of an argument that is no option begins."""
        self._position += 1
        is_placed = bool(self._place) and POSITIONS[self._place] == self._position
        is_set = at > 1 and self._arguments[at - 2] in _SETTERS and grade(before) == STRONG
        if is_placed or is_set:
            return _start_if_password(argument, 0)
        return None

    def _follows_pair(self, before: str, argument: str) -> bool:
        return before == _PAIR[1] and self._has_user and is_unusual(argument)

    def _start_after_sign(self, argument: str, before: str) -> int | None:
        """Where the password begins behind the program's own sign: bob%password."""
        option = self._user_option
        if option.endswith("*"):
            is_here = argument.startswith(option[:-1])
            skipped = len(option) - 1
        else:
            is_here = before == option or not (option or argument.startswith("-"))
            skipped = 0
        start = argument.find(self._user_sign, skipped) + 1
        if not is_here or start <= skipped + 1:
            return None
        return _start_if_password(argument, start)


def _options_of(program: str) -> tuple[list[str], list[str]]:
    """The options before a password, and the options joined to a password: -pTr0ub4dor."""
    options, joined = [], []
    for option in PROGRAMS[program].split():
        if option.endswith("*"):
            joined.append(option[:-1])
        else:
            options.append(option)
    return options, joined


def _names_of(program: str, arguments: Sequence[str]) -> list[str]:
    """The names under which the tables may have a command: vault, vault login."""
    names = [program]
    names += [f"{program} {argument}" for argument in arguments[1:4]]
    plain = [argument for argument in arguments[1:5] if not argument.startswith("-")]
    names.append(" ".join((program, *plain[:2])))
    return names


def _is_switch(argument: str) -> bool:
    """Whether an argument is an option of Windows: /add."""
    return argument[:1] == "/" and argument[1:].isalpha()


def _is_password(text: str) -> bool:
    return bool(text) and not (text.startswith("-") or is_placeholder(text) or is_template(text))


def _start_if_password(argument: str, start: int) -> int | None:
    if _is_password(argument[start:]):
        return start
    return None


def _start_after_user(argument: str) -> int | None:
    """Where the password of user:password begins; docker's `-u 1000:1000` has none."""
    value = argument
    if argument.startswith("-"):
        value = argument[argument.find("=") + 1 :]
    user, colon, password = value.partition(":")
    if not user or not colon or password.isdigit():
        return None
    if not _is_password(password) or not is_unusual(password):
        return None
    return len(argument) - len(password)


@cache
def _words() -> re.Pattern[str]:
    return re.compile(r"""'([^'\n]{0,500})'|"([^"\n]{0,500})"|([^\s'"]{1,500})""")


def spans(text: str) -> Iterator[Span]:
    """Where command lines in a text have passwords."""
    last = 0
    for start in _starts().finditer(text):
        if start.start() < last:
            continue
        begin = start.start()
        if start[0].startswith("-"):  # of an unknown program: the whole line
            begin = max(last, begin - _MOST_BEFORE)
            begin = max([begin, *(end.end() for end in _ENDS.finditer(text, begin, start.start()))])
        last = _end_of_line(text, start.end())
        yield from _of_line(text, begin, last)
    for pattern in (_NET_USE, _ECHOED):
        for match in pattern.finditer(text):
            if not is_template(match[1]):
                yield *match.span(1), STRONG


def _of_line(text: str, begin: int, last: int) -> Iterator[Span]:
    """The passwords of one command line."""
    found = list(islice(_words().finditer(text, begin, last), _MOST_ARGUMENTS))
    arguments = [match[match.lastindex or 0] for match in found]
    if len(arguments) > 1:
        for at, first, end in passwords(arguments):
            offset = found[at].start(found[at].lastindex or 0)
            yield offset + first, offset + end, STRONG


# Windows: net use Z: \\host\share password /user:name
_NET_USE: Final = re.compile(
    r"\bnet use \S{1,80} [\\/]{2}\S{1,200} ([^\s/]\S{0,100}) /user:", re.IGNORECASE
)

# A password that is piped into a program: echo bob:password | chpasswd
_PIPED: Final = "echo "
_ECHOED: Final = re.compile(
    r"\becho\s{1,4}(?:-n\s{1,4})?[\"']?(?:\w{1,60}:)?([^\s\"'|]{1,200})[\"']?\s{0,4}\|\s{0,4}"
    r"(?:sudo\s{1,4})?(?:chpasswd|passwd|sudo -S|-S|(?:docker|podman|helm registry) login"
    r"|kinit|cryptsetup|vault login)\b"
)


def _end_of_line(text: str, start: int) -> int:
    """The end of a command: the end of its line, or an operator that joins the next command."""
    match = _ENDS.search(text, start)
    if match is not None:
        return match.start()
    return len(text)


_ENDS: Final = re.compile(r"\n|&&|\|\||;")
