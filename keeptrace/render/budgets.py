"""Budgets of a whole view: a small dump can share a value, a frame or a text a million times.

Where a budget is used up, the view says how much is left out.
"""

from __future__ import annotations

from typing import Final

# -- of the model, and so of every view

# People read about a page of a message; the first messages are whole. (characters of all messages
# and notes)
MAX_MESSAGES: Final = 4_000_000
# A single message; capture keeps no longer messages. (characters)
MAX_MESSAGE: Final = 100_000
# (characters)
MAX_SHORT: Final = 200
# (notes of all exceptions)
MAX_NOTES: Final = 20_000
# Arguments and attributes are looked through for exceptions. (values, in all exceptions)
MAX_LOOKED_THROUGH: Final = 500_000
# Parsing a million of generated code takes up to five seconds; a hand-written module has ten
# thousands. (words and signs of local sources, parsed to compare with the frames)
MAX_PARSED: Final = 1_000_000
# A longer line was generated; its end is not shown. (characters of a source line)
MAX_LINE: Final = 2_000
# A lexer needs the lines from the start of the function. Further down in a longer function,
# colouring starts at the snippet. (lines)
MAX_ABOVE: Final = 300
# The one-line text of a value. (characters)
MAX_VALUE: Final = 10_000
# The whole text of a value. (characters)
MAX_FULL: Final = 100_000

# -- of one view

# A browser opens a page of this size at once. (values, frames, characters on an HTML page)
HTML_VALUES: Final = 20_000
HTML_FRAMES: Final = 1_200
HTML_CHARACTERS: Final = 12_000_000
# Pygments takes five seconds for each million. (characters of coloured source)
HTML_COLOURED: Final = 500_000
# The overview lists the other exceptions. (exceptions)
HTML_EXCEPTIONS: Final = 1_000
# A program reads more than a person. (values, frames, characters in the JSON)
JSON_VALUES: Final = 100_000
JSON_FRAMES: Final = 20_000
JSON_CHARACTERS: Final = 12_000_000
# Each takes a tenth of a millisecond to print. (lines in a terminal)
TERMINAL_LINES: Final = 20_000
# (characters in a terminal)
TERMINAL_CHARACTERS: Final = 10_000_000
# An editor asks for more when needed. (variables in an answer)
DAP_VARIABLES: Final = 5_000
# (parts of a value for an editor)
DAP_PARTS: Final = 50_000


class Budget:
    """An amount to spend; amounts beyond the end count as left out."""

    __slots__ = ("left", "left_out")

    def __init__(self, most: int) -> None:
        self.left: int = most
        self.left_out: int = 0

    def take(self, amount: int = 1) -> bool:
        """Whether anything was left. The last amount may be larger than the rest of the budget."""
        if self.left <= 0:
            self.left_out += amount
            return False
        self.left -= amount
        return True
