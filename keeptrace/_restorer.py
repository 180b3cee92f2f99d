"""The restorer that travels inside dumps: the source of _restore.py, shortened and compressed."""

from __future__ import annotations

import zlib
from functools import cache

from ._digest import digest
from ._errors import DumpError
from ._shadows import LibraryAlone


@cache
def restorer() -> tuple[str, bytes]:
    """The name and the compressed source of the restorer that travels."""
    with LibraryAlone():
        return _restorer()


def _restorer() -> tuple[str, bytes]:
    import importlib.util
    from pathlib import Path

    spec = importlib.util.find_spec("._restore", __package__)
    loader = spec.loader if spec else None
    source = loader.get_source(spec.name) if spec and loader and hasattr(loader, "get_source") else None
    if source is None and spec and spec.origin and Path(spec.origin).is_file():  # loaded by pytest's own loader, which gives no source
        source = Path(spec.origin).read_text(encoding="utf-8")
    if source is None:
        raise DumpError("keeptrace's own source cannot be read here, and a dump needs it: install keeptrace as files")
    short = shortened(source).encode()
    return f"_keeptrace_{digest(short)[:12]}", zlib.compress(short, 9)


def shortened(source: str) -> str:
    """The source without docstrings, comments, annotations and empty lines; what remains is letter for letter what was written.

    Not by ast.unparse: what that writes on one Python, an older one cannot always read (f-strings, from 3.12 on).
    """
    import ast
    import tokenize

    lines = [line.encode() for line in source.splitlines()]
    cuts: list[tuple[int, int, int]] = []  # line, first and last byte
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)) and ast.get_docstring(node, clean=False) is not None:
            text = node.body[0]
            for number in range(text.lineno - 1, text.end_lineno or text.lineno):
                cuts.append((number, 0, len(lines[number])))
            if len(node.body) == 1:  # the docstring was all there is
                lines[text.lineno - 1] = b" " * text.col_offset + b"0"
                cuts = [cut for cut in cuts if cut[0] != text.lineno - 1]
        if isinstance(node, ast.FunctionDef) and node.returns is not None and node.returns.lineno == node.returns.end_lineno:
            row, start = node.returns.lineno - 1, node.returns.col_offset - len(" -> ")
            cuts.append((row, start, node.returns.end_col_offset or start))
        told = node.annotation if isinstance(node, ast.arg) or (isinstance(node, ast.AnnAssign) and node.value is not None) else None
        if told is not None:
            end = node.col_offset + len(node.arg.encode()) if isinstance(node, ast.arg) else node.target.end_col_offset  # type: ignore[attr-defined]  # AnnAssign
            if node.lineno == told.lineno == told.end_lineno:  # type: ignore[attr-defined]  # both have a line
                cuts.append((told.lineno - 1, end, told.end_col_offset or end))
    waiting = iter(source.splitlines(keepends=True))
    for token in tokenize.generate_tokens(lambda: next(waiting, "")):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            start = len(token.line[:column].encode())
            cuts.append((row - 1, start, start + len(token.string.encode())))
    for row, start, end in sorted(cuts, reverse=True):
        lines[row] = lines[row][:start] + lines[row][end:]
    return b"\n".join(line.rstrip() for line in lines if line.strip()).decode() + "\n"
