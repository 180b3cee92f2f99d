"""A program's own rules for secrets: Redaction(keep=…, hide=…)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

from .errors import OptionError

# A name with "*" as wildcard, or a compiled pattern of texts.
Choice: TypeAlias = "str | re.Pattern[str]"


class Redaction:
    """Names and patterns to keep and to hide, beside the rules for secrets.

    keep: names whose values are never hidden, and patterns of texts that are no secret.
    hide: names whose values are always hidden, and patterns that are hidden wherever they occur in
        a text.

    A name is a str: upper and lower case, "_" and "-" do not matter, and "*" stands for anything. A
    pattern is what re.compile() gives. Where both match, hide wins. Immutable, hashable and
    picklable.

    Raises OptionError for anything else.
    """

    __slots__ = ("_hidden", "_kept", "hide", "keep")

    keep: tuple[Choice, ...]
    hide: tuple[Choice, ...]
    _kept: re.Pattern[str] | None
    _hidden: re.Pattern[str] | None

    def __init__(self, *, keep: Iterable[Choice] = (), hide: Iterable[Choice] = ()) -> None:
        put = object.__setattr__
        put(self, "keep", _checked("keep", keep))
        put(self, "hide", _checked("hide", hide))
        put(self, "_kept", _names(self.keep))
        put(self, "_hidden", _names(self.hide))

    def hides_name(self, name: str) -> bool:
        """Whether the values of a name are always hidden."""
        return _has(self._hidden, name)

    def keeps_name(self, name: str) -> bool:
        """Whether the values of a name are never hidden."""
        return _has(self._kept, name)

    def keeps_text(self, text: str) -> bool:
        """Whether a text is no secret, as a whole."""
        return any(
            isinstance(choice, re.Pattern) and choice.fullmatch(text) for choice in self.keep
        )

    def hidden_in(self, text: str) -> list[tuple[int, int]]:
        """Where the patterns to hide occur in a text."""
        found = []
        for choice in self.hide:
            if isinstance(choice, re.Pattern):
                found += [match.span() for match in choice.finditer(text) if match[0]]
        return found

    @property
    def has_names(self) -> bool:
        """Whether there are names to hide; every name must then be looked at."""
        return self._hidden is not None

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Redaction cannot be changed; make a new one")

    def __repr__(self) -> str:
        return f"Redaction(keep={self.keep!r}, hide={self.hide!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Redaction):
            return NotImplemented
        return (self.keep, self.hide) == (other.keep, other.hide)

    def __hash__(self) -> int:
        return hash((self.keep, self.hide))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.keep, self.hide)


def _rebuild(keep: tuple[Choice, ...], hide: tuple[Choice, ...]) -> Redaction:
    return Redaction(keep=keep, hide=hide)


_KINDS: Final = (str, re.Pattern)


def _checked(option: str, choices: Iterable[Choice]) -> tuple[Choice, ...]:
    if isinstance(choices, _KINDS):
        raise OptionError(
            f"Redaction's {option} must be a list of names and patterns, not one: [{choices!r}]"
        )
    found = tuple(choices)
    for choice in found:
        is_of_bytes = isinstance(choice, re.Pattern) and not isinstance(choice.pattern, str)
        if not isinstance(choice, _KINDS) or is_of_bytes:
            raise OptionError(
                f"Redaction's {option} must hold names and re.compile() patterns of text,"
                f" not {choice!r}"
            )
    return found


def _names(choices: tuple[Choice, ...]) -> re.Pattern[str] | None:
    """One pattern for all the names; None if there are none."""
    names = [_plain(choice) for choice in choices if isinstance(choice, str)]
    if not names:
        return None
    return re.compile("|".join(re.escape(name).replace(r"\*", ".*") for name in names))


def _has(names: re.Pattern[str] | None, name: str) -> bool:
    return names is not None and names.fullmatch(_plain(name)) is not None


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()
