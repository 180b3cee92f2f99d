"""The rules of one redactor: the tables, and what the program adds to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ..core.redaction import Redaction
from . import names
from .spans import STRONG, Span

Extra: TypeAlias = Callable[[str, str], bool]


class Rules:
    """Whom to ask about a name, a text, and what is in a text.

    added: a Redaction, or a callable (name, text) -> bool that says what else is secret; `name` is
        "" for a text without one. A callable that fails is taken to have said yes.
    """

    __slots__ = ("_extra", "_redaction", "asks", "is_default")

    def __init__(self, added: Redaction | Extra | None = None) -> None:
        self._redaction = added if isinstance(added, Redaction) else None
        self._extra = None if isinstance(added, Redaction) else added
        self.is_default: bool = added is None
        # Whether every name is looked at, also in texts that have none of the tables' names.
        self.asks: bool = self._extra is not None or (
            self._redaction is not None and self._redaction.has_names
        )

    def grade(self, name: str) -> int:
        """How sure it is that a name names a secret: STRONG, WEAK, GUESS or 0."""
        if self._redaction is not None:
            if self._redaction.hides_name(name):
                return STRONG
            if self._redaction.keeps_name(name):
                return 0
        return names.grade(name)

    def says(self, name: str, text: str) -> bool:
        """Whether the program's callable says that a value is a secret.

        It may do anything, but not make a failure worse.
        """
        if self._extra is None:
            return False
        try:
            return bool(self._extra(name, text))
        except BaseException:  # not even an interrupt may lose the report that is being written
            return True

    def hides(self, name: str) -> bool:
        """Whether the program says that everything under a name is a secret."""
        return self._redaction is not None and self._redaction.hides_name(name)

    def keeps(self, text: str) -> bool:
        """Whether the program says that a text is no secret."""
        return self._redaction is not None and self._redaction.keeps_text(text)

    def spans(self, text: str) -> list[Span]:
        """Where the program's patterns occur in a text, and the whole of a text that its callable
        hides.
        """
        if self._redaction is None:
            return []
        return [(start, end, STRONG) for start, end in self._redaction.hidden_in(text)]
