"""The plain data of an entry of a traceback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from ..core.report import Ref

# Names and values, in the order of the report.
Variables: TypeAlias = list[tuple[str, Ref]]


@dataclass(slots=True)
class ShownFrame:
    """An entry of a traceback, or a caller of the first frame (Options.outer_frames).

    left_out: if not 0, the entry replaces this number of frames, which were not kept.
    """

    number: int  # from 1, in printed order: the N of `--frame N`
    exception: int
    file: str
    line: int | None
    name: str
    function: str
    code_line: int
    position: list[int | None]  # line, end line, column, end column
    locals: Variables
    globals: Variables
    is_module: bool
    is_library: bool
    left_out: int = 0
    index: int = -1  # into the report's frames
    is_caller: bool = False

    @property
    def title(self) -> str:
        if self.is_caller:
            return f"{self.function} (a caller)"
        return self.function

    @property
    def line_text(self) -> str:
        """The number of the line; "?" for an unknown line."""
        if self.line is None:
            return "?"
        return str(self.line)
