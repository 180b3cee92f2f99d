"""Makes the restorer that travels inside dumps: a short text of the modules of restore/.

    python -m keeptrace.format.build_traveller

writes ready.py beside this file. The text has the definitions that boot() of restore.py reaches,
without docstrings, comments, annotations and empty lines. The rest is unchanged source.
"""

from __future__ import annotations

import ast
import binascii
import io
import textwrap
import tokenize
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from ..core.digest import digest

ROOM: Final = Path(__file__).parent.parent / "restore"
READY: Final = Path(__file__).parent / "ready.py"
_WAY_IN: Final = "boot"
# A dump without live objects calls none of these functions, and travels without their parts.
LIVE_ONLY: Final = frozenset({"load_live_objects", "load_quickly", "Missing"})


class _Definition(NamedTuple):
    """A statement of a module's body."""

    names: frozenset[str]  # that it defines
    uses: frozenset[str]
    text: str


def built(live: bool) -> str:
    """The text that travels in dumps with or without live objects."""
    imports: dict[str, str] = {}
    definitions: list[_Definition] = []
    for path in _in_order():
        source = _without_annotations(path.read_text(encoding="utf-8"))
        definitions += _definitions(source, imports)
    without: frozenset[str] = LIVE_ONLY
    if live:
        without = frozenset()
    import_lines: set[str] = set()
    texts = []
    for definition in _reached(definitions, without):
        texts.append(definition.text)
        for name in definition.uses & imports.keys():
            import_lines.add(imports[name])
    source = "\n".join([*sorted(import_lines), *texts])
    return _shortened(source)


def ready_made() -> str:
    """The source of ready.py."""
    parts = [
        '"""The restorer that travels in dumps, ready made: do not edit (build_traveller.py)."""',
        "",
        "from __future__ import annotations",
        "",
        "from typing import Final",
        "",
        "# The packed text for dumps without live objects, and for dumps with live objects.",
    ]
    for name, live in (("PLAIN", False), ("LIVE", True)):
        text = built(live).encode()
        version = digest(text)[:12]
        parts.append(f'{name}_NAME: Final = "_keeptrace_{version}"')
        parts.append(f"{name}: Final = (")
        parts += [f'    "{row}"' for row in _packed(text)]
        parts.append(")")
    return "\n".join(parts) + "\n"


def _packed(text: bytes) -> list[str]:
    """A text, compressed, as rows of base64."""
    packed = zlib.compress(text, 9)
    encoded = binascii.b2a_base64(packed, newline=False)
    return textwrap.wrap(encoded.decode(), 92)


def _in_order() -> list[Path]:
    """The modules of the room, each after its imports."""
    paths = {path.stem: path for path in ROOM.glob("*.py")}
    del paths["__init__"]
    needs = {}
    for name, path in paths.items():
        needs[name] = set(_imported(path)) & paths.keys()
    ordered: list[Path] = []
    while needs:
        ready = [name for name, imported in needs.items() if imported.isdisjoint(needs)]
        for name in sorted(ready):
            del needs[name]
            ordered.append(paths[name])
    return ordered


def _imported(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield node.module or ""


def _definitions(source: str, imports: dict[str, str]) -> Iterator[_Definition]:
    """The statements of a module.

    Imports of the standard library go into `imports`, by the defined names.
    """
    lines = source.splitlines()
    for node in ast.parse(source).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            _note_import(node, imports)
            continue
        if isinstance(node, ast.Expr):
            continue  # the docstring
        first = node.lineno
        for decorator in getattr(node, "decorator_list", []):
            first = min(first, decorator.lineno)
        text = "\n".join(lines[first - 1 : node.end_lineno])
        names = frozenset(_defined(node))
        uses = frozenset(_names_in(node))
        yield _Definition(names, uses, text)


def _names_in(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id


def _note_import(node: ast.Import | ast.ImportFrom, imports: dict[str, str]) -> None:
    if isinstance(node, ast.ImportFrom) and (node.level or node.module == "__future__"):
        return
    home = ""
    if isinstance(node, ast.ImportFrom):
        home = f"from {node.module} "
    for alias in node.names:
        told = ast.unparse(alias)
        name = alias.asname or alias.name.partition(".")[0]
        imports[name] = f"{home}import {told}"


def _defined(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        yield node.name
        return
    targets = [getattr(node, "target", None)]
    if isinstance(node, ast.Assign):
        targets = [*node.targets]
    for target in targets:
        if target is not None:
            yield from _names_in(target)


def _reached(definitions: Iterable[_Definition], without: frozenset[str]) -> list[_Definition]:
    """The definitions that boot() needs, in their order."""
    every = list(definitions)
    owners: dict[str, list[int]] = {}
    for at, definition in enumerate(every):
        for name in definition.names:
            owners.setdefault(name, []).append(at)
    reached: set[int] = set()
    waiting = [_WAY_IN]
    while waiting:
        for at in owners.get(waiting.pop(), ()):
            if at not in reached:
                reached.add(at)
                waiting += every[at].uses - without
    return [every[at] for at in sorted(reached)]


# -- shortening


class _Cut(NamedTuple):
    """A stretch of a line without line ends."""

    row: int
    start: int  # in bytes
    end: int


def _cut_out(cuts: Iterable[_Cut], lines: list[bytes]) -> None:
    for cut in sorted(cuts, reverse=True):  # from the end: the places before stay valid
        line = lines[cut.row]
        lines[cut.row] = line[: cut.start] + line[cut.end :]


def _without_annotations(source: str) -> str:
    """The source without annotations, so the annotated types need not travel.

    Annotations are cut from the text. ast.unparse is no alternative: an older Python cannot always
    read the output of a newer Python's ast.unparse.
    """
    lines = [line.encode() for line in source.splitlines()]
    _cut_out(_annotations(ast.parse(source)), lines)
    return b"\n".join(lines).decode() + "\n"


def _annotations(tree: ast.AST) -> Iterator[_Cut]:
    """The annotations within one line."""
    for node in ast.walk(tree):
        found = _annotation_of(node)
        if found is None:
            continue
        start, annotation = found
        line = annotation.lineno
        end = annotation.end_col_offset or start
        if annotation.end_lineno == line:
            yield _Cut(line - 1, start, end)


def _annotation_of(node: ast.AST) -> tuple[int, ast.expr] | None:
    """The first byte to cut, and the annotation of a result, an argument or a variable."""
    if isinstance(node, ast.FunctionDef) and node.returns is not None:
        start = node.returns.col_offset - len(" -> ")
        return start, node.returns
    if isinstance(node, ast.arg) and node.annotation is not None:
        start = node.col_offset + len(node.arg.encode())
        return start, node.annotation
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        start = node.target.end_col_offset or 0
        return start, node.annotation
    return None


def _shortened(source: str) -> str:
    """The source without docstrings, comments and empty lines, indented by one space a level."""
    lines = [line.encode() for line in source.splitlines()]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            _drop_docstring(node, lines)
    _cut_out(_comments(source), lines)
    rows = [line.decode().rstrip() for line in lines if line.strip()]
    return "\n".join(_indented_by_one(rows)) + "\n"


def _drop_docstring(node: ast.FunctionDef | ast.ClassDef, lines: list[bytes]) -> None:
    if ast.get_docstring(node, clean=False) is None:
        return
    text = node.body[0]
    first = text.lineno - 1
    end = text.end_lineno or text.lineno
    for number in range(first, end):
        lines[number] = b""
    if len(node.body) == 1:  # the body was the docstring alone
        indent = b" " * text.col_offset
        lines[first] = indent + b"0"


def _comments(source: str) -> Iterator[_Cut]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            start = len(token.line[:column].encode())
            size = len(token.string.encode())
            yield _Cut(row - 1, start, start + size)


def _indented_by_one(rows: list[str]) -> Iterator[str]:
    """The rows with a space for each level. No text in the room has a line that begins with four
    spaces.
    """
    for row in rows:
        text = row.lstrip(" ")
        levels, rest = divmod(len(row) - len(text), 4)
        yield " " * (levels + rest) + text


if __name__ == "__main__":
    READY.write_text(ready_made(), encoding="utf-8")
