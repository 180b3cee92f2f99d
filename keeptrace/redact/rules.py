"""The rules of a redactor: the tables, and the program's additions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ..core.redaction import Redaction
from . import names
from .spans import STRONG, Span

Extra: TypeAlias = Callable[[str, str], bool]


class Rules:
    """Answers questions about names and texts.

    added: a Redaction, or a callable (name, text) -> bool that returns True for further secrets;
        `name` is "" for a text without a name. A failing callable counts as True.
    """

    __slots__ = ("_extra", "_redaction", "asks", "is_default")

    def __init__(self, added: Redaction | Extra | None = None) -> None:
        self._redaction: Redaction | None = None
        self._extra: Extra | None = None
        if isinstance(added, Redaction):
            self._redaction = added
        else:
            self._extra = added
        self.is_default: bool = added is None
        # Whether every name is looked at, also in texts without names of the tables.
        self.asks: bool = self._extra is not None or (
            self._redaction is not None and self._redaction.has_names
        )

    def grade(self, name: str) -> int:
        """How surely a name names a secret: STRONG, WEAK, GUESS or 0."""
        if self._redaction is not None:
            if self._redaction.hides_name(name):
                return STRONG
            if self._redaction.keeps_name(name):
                return 0
        return names.grade(name)

    def says(self, name: str, text: str) -> bool:
        """Whether a value is a secret for the program's callable.

        The callable may fail in any way, without making a failure worse.
        """
        if self._extra is None:
            return False
        try:
            return bool(self._extra(name, text))
        except BaseException:  # not even an interrupt may lose the report in progress
            return True

    def hides(self, name: str) -> bool:
        """Whether the program hides all values of a name."""
        return self._redaction is not None and self._redaction.hides_name(name)

    def keeps(self, text: str) -> bool:
        """Whether the program keeps a text."""
        return self._redaction is not None and self._redaction.keeps_text(text)

    def spans(self, text: str) -> list[Span]:
        """The matches of the program's patterns in a text, or the whole text if the callable hides
        the text.
        """
        if self._redaction is None:
            return []
        return [(start, end, STRONG) for start, end in self._redaction.hidden_in(text)]
