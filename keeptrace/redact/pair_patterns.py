"""The regular expressions of pairs.py. Each is compiled when it is first used."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from .pair_judges import GETTERS

_SOURCES: Final = {
    "pair": r"""(?x) (?<![\w-])(-{0,2}+\w[\w.-]{1,80}+)
        (?: (?P<A> (?: \\{0,3}["'`] | \*\* )?+ \]?+ [ \t]{0,60}+
                   (?: => | [!=]?=?=(?!>) | :=? | %3[dD] ) (?:\*\*)?+ \s{0,8}+
                   (?: [\[(]\s{0,4}+ )?+ (?: [A-Za-z_][\w.]{0,40}+\((?=[bBuU]?["']) )?+
            | \\{0,3}["'][ ]{1,4}(?=\{)
            | \\{0,3}["']\s{1,4}(?:value|content)=
            | \\{0,3}["'][ ]{0,4}(?:\r?\n[\w-]{1,40}:[^\r\n]{0,120}){0,3}\r?\n\r?\n
            | > )
          | (?P<B> \\{0,3}["']\s{0,4},\s{0,4}(?=[bBuU]?\\{0,3}["']) )
          | (?P<C> [ ]{1,4}(?:is|was|(?:provided|given|supplied|specified):)[ ]{1,4}
            | [ ]{1,4}(?=["']) )
          | (?P<E> [ ]{1,4}for[ ](?:key[ ])?["']?[^\s"':]{1,80}["']?:[ ]{1,4} )
          | (?P<D> [ \t]{1,8}+(?![-<\[]) ) )""",
    "quote": r"[bBuUrR]{0,2}+(\\{0,3}+[\"'`])",
    # A type between a name and its value: api_key: &str = "x"
    "typed": r"&?(?:'\w{1,20} )?[A-Za-z_][\w.]{0,40}+(?:[\[<][\w\[\]<>|, .]{0,80}[\]>])?\??"
    r"(?: \| None)?\s{1,4}=\s{0,4}(?=[bBuUrR]{0,2}[\"'])",
    "key": r"(?=[\w+/=.-]{16})[A-Za-z_+/=.-]{0,60}[0-9]",
    "word_before": r"([A-Za-z]{2,20}+)[ ]\Z",
    # A literal block of YAML: its lines are indented alike.
    "block": r"[|>][+-]?[ \t]*\r?\n([ \t]{1,40}+)"
    r"(?P<value>\S[^\n]{0,2000}+(?:\n\1[^\n]{1,2000}+){0,100}+)",
    # Words from the list of BIP 39, without quotes.
    "phrase": r"(?P<value>[a-z]{3,8}(?:[ ][a-z]{3,8}){11,23})(?![\w-])",
    "double": r'(?:[^"\\]|\\.)*+(?=")',
    "getter": rf"(?<![\w.]){GETTERS}\Z",
    "long_word": r"[ \t][\w+/.-]{16}",
    "tick": r"[^`\s]{1,500}+(?=`)",
    "single": r"(?:[^'\\]|\\.)*+(?=')",
    "bare": r"""[^\s"'`,;&)\]}]++""",
    "element": r"[^<\n]{1,2000}",
    "user": r"://[^\s/:@]{1,60}:\Z",
    "line": r"""[^\r\n"'\\]{1,1000}""",
    "rest": r"[^\r\n]{1,1000}",
    "next_item": r"\\{0,3}[\"']\s{0,4},\s{0,4}[bBuU]?(\\{0,3}[\"'])",
}


@cache
def pattern(name: str) -> re.Pattern[str]:
    return re.compile(_SOURCES[name], re.DOTALL)
