"""Writes docs/secrets.md from the tables of keeptrace.redact: `python docs/secrets_table.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from keeptrace.redact import commands, words
from keeptrace.redact.patterns import PATTERNS
from keeptrace.redact.shapes import SHAPES
from keeptrace.redact.spans import GUESS, STRONG, WEAK

PAGE = Path(__file__).parent / "secrets.md"

HEAD = """\
# What is hidden

This page is made from the tables that keeptrace reads: `python docs/secrets_table.py`. A dump that is written to a
file has none of these secrets in its values, messages, notes and sources; within a pool nothing is hidden unless
`trace=keeptrace.Options(redact=True)` asks for it.

A secret is known by its name, by its shape, or because it was found under a name elsewhere. No rule finds every
secret: treat dumps as you treat logs.

## To keep more, to hide more

```python
import re
import keeptrace

redaction = keeptrace.Redaction(
    keep=["session", "*_token_kind", re.compile(r"sk-test-\\w+")],  # names, and patterns of whole texts
    hide=["badge", re.compile(r"\\bCASE-\\d{6}\\b")],               # names, and patterns anywhere in a text
)
keeptrace.install("dumps", redact=redaction)
```

In a name, upper and lower case, `_` and `-` do not matter, and `*` stands for anything. Where both match, `hide` wins.
`redact=function` asks your `function(name, text)` for each value, too.

What others say is taken: Django's `@sensitive_variables` and `@sensitive_post_parameters`, pydantic's `SecretStr`, and
the values of environment variables with secret names, wherever they occur.

`keeptrace info` says what was hidden in a dump.
"""
GRADES = {
    STRONG: "Everything under these names is hidden: texts, numbers of six digits and more, containers, objects. "
    "What describes a secret (a form's label, a column's type, a JSON schema, counts of words) is left.",
    WEAK: "Under these names a text is hidden that has letters and digits and is no word, path, address or dotted name.",
    GUESS: "Under these names a text is hidden that looks random.",
}


def page() -> str:
    """The whole page."""
    return HEAD + "\n".join(
        (
            "\n## By name\n",
            *_names(),
            "## In records\n",
            *_records(),
            "## By shape\n",
            *_shapes(),
            "## On command lines\n",
            *_commands(),
        )
    )


def _names() -> Iterator[str]:
    yield "The last words of a name count: `db_password` names a password, `password_field_id` does not.\n"
    for grade, told in GRADES.items():
        names = sorted(name for name, found in words.NAMES.items() if found == grade)
        yield f"{told}\n"
        yield " ".join(f"`{name}`" for name in names) + "\n"
    yield "`<company>_key` counts as an API key for these companies and all those of the next table:\n"
    yield " ".join(f"`{name}`" for name in sorted(words.VENDORS)) + "\n"


def _records() -> Iterator[str]:
    yield (
        'A value beside a name is judged by this name: `{"name": "DB_PASSWORD", "value": "x"}`, in values and in texts '
        "of JSON, YAML and elements. The name may be under any of the first, the value under any of the second:\n"
    )
    for members in (words.ROW_NAMES, words.ROW_VALUES):
        yield " ".join(f"`{member}`" for member in sorted(members)) + "\n"
    yield "The password of `user:password@host` is hidden under these names, and elsewhere if it is no word:\n"
    yield " ".join(f"`{name}`" for name in sorted(words.HOSTS)) + "\n"


def _shapes() -> Iterator[str]:
    yield "| vendor | begins with |\n|---|---|"
    vendors: dict[str, list[str]] = {}
    for shape in SHAPES:
        vendors.setdefault(shape.vendor, []).extend(shape.prefixes.split())
    for vendor in sorted(vendors, key=str.lower):
        prefixes = " ".join(f"`{prefix}`" for prefix in vendors[vendor])
        yield f"| {vendor} | {prefixes.replace('|', chr(92) + '|')} |"
    yield "\nAnd what does not begin with a word of its own:\n"
    for what in dict.fromkeys(pattern.what for pattern in PATTERNS):
        yield f"- {what}"
    yield ""


def _commands() -> Iterator[str]:
    yield "In texts and in lists of arguments, `--password x` and `-u user:x` of any program, and:\n"
    yield "| program | option |\n|---|---|"
    for program, options in sorted(commands.PROGRAMS.items()):
        yield f"| `{program}` | {' '.join(f'`{option}`' for option in options.split())} |"
    yield ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
