"""Code objects for frames, made from a template for each number of variables.

The line table of each code object has the positions in the original source.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import ast

KEY: Final = "<keeptrace>"  # no identifier, so no variable of the user's has this name
# The interpreter and linecache call the objects with these names in a module's namespace, so such
# objects never come from data.
NEVER_GLOBAL: Final = (KEY, "__builtins__", "__loader__", "__spec__")
# Frames of modules and class bodies run in eval(), which takes some 700 bytes of the C stack. A
# thread may have 512 kB, and Python 3.12 allows some 500 nested calls. Further frames become frames
# of functions.
MOST_EVALS: Final = 300
# So many evals run on the caller's stack, which may be short; more run in a thread of their own.
EVALS_HERE: Final = 16
STACK_BYTES: Final = 2 << 20  # bytes; an eval() takes up to 1,000
OPTIMIZED_NEWLOCALS: Final = 0x1 | 0x2
_VARARGS_VARKEYWORDS: Final = 0x4 | 0x8
_COROUTINE: Final = 0x80
_ASYNC_GENERATOR: Final = 0x200


@functools.lru_cache(256)
def _template(
    count: int, unbound: tuple[int, ...], pads: int, is_function: bool, is_outermost: bool
) -> types.CodeType:
    """The code for a frame with `count` locals, described in restore.py.

    unbound: locals without a value: the code deletes these again.
    pads: instructions at the beginning, as places for further positions.
    """
    import ast  # costly, and needless in a worker process, which only captures

    where: dict[str, Any] = dict(lineno=1, end_lineno=1, col_offset=0, end_col_offset=0)

    def names(indexes: Iterable[int], context: ast.expr_context) -> list[ast.expr]:
        return [ast.Name(f"v{index}", context, **where) for index in indexes]

    def call(function: ast.expr) -> ast.Call:
        return ast.Call(function, [], [], **where)

    key = call(ast.Name(KEY, ast.Load(), **where))
    body: list[ast.stmt] = [ast.Expr(key, **where) for _ in range(pads)]
    if count:
        target = ast.Tuple(names(range(count), ast.Store()), ast.Store(), **where)
        body.append(ast.Assign([target], key, **where))
    if unbound:
        body.append(ast.Delete(names(unbound, ast.Del()), **where))
    body.append(ast.Expr(call(key), **where))
    if is_function and is_outermost:
        body.append(ast.Expr(ast.Yield(None, **where), **where))
        return _function_code(_compiled([_definition(ast.AsyncFunctionDef, body, where)]))
    if is_function:
        return _function_code(_compiled([_definition(ast.FunctionDef, body, where)]))
    if is_outermost:
        # A module cannot yield. So it awaits, and gets the flags of an asynchronous generator.
        body.append(ast.Expr(ast.Await(key, **where), **where))
        code = _compiled(body, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        return code.replace(co_flags=code.co_flags & ~_COROUTINE | _ASYNC_GENERATOR)
    return _compiled(body)


def _definition(kind: Any, body: list[ast.stmt], where: dict[str, Any]) -> Any:
    """A function without arguments. kind: ast.FunctionDef or ast.AsyncFunctionDef."""
    import ast

    no_arguments = ast.arguments(
        posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[]
    )
    made = kind("f", no_arguments, body, [], **where)
    if sys.version_info >= (3, 12):
        made.type_params = []
    return made


def _compiled(body: list[ast.stmt], flags: int = 0) -> types.CodeType:
    import ast

    tree: Any = ast.Module(body, [])
    code: types.CodeType = compile(
        tree, "<keeptrace>", "exec", flags, dont_inherit=True, optimize=0
    )
    return code


def _function_code(module: types.CodeType) -> types.CodeType:
    """The code of the only function in a module."""
    return next(const for const in module.co_consts if isinstance(const, types.CodeType))


# Further positions belong to the first instructions, before the last call. Each pad makes room for
# so many positions.
_POSITIONS_A_PAD: Final = 4


def pads_for(positions: tuple[Any, ...]) -> int:
    return -(-(len(positions) - 1) // _POSITIONS_A_PAD)


def _varint(number: int) -> bytes:
    if number < 0:
        raise ValueError(f"{number} is no column")
    out = bytearray()
    while number >= 0x40:
        out.append(0x40 | number & 0x3F)
        number >>= 6
    out.append(number)
    return bytes(out)


_MOST_LINES: Final = 10_000  # lines of one expression: traceback reads all lines


def _line_entry(units: int, before: int, position: tuple[Any, ...]) -> tuple[bytes, int]:
    """An entry of a code object's location table (CPython, Objects/locations.md), and the line.

    units: instructions of the entry. before: the line of the previous entry.
    """
    line, end, column, end_column = position
    if line is None:
        return bytes((0x80 | 15 << 3 | units - 1,)), before
    delta = line - before
    sign = int(delta < 0)
    start = _varint(abs(delta) << 1 | sign)
    if None in position or not line <= end <= line + _MOST_LINES:
        return bytes((0x80 | 13 << 3 | units - 1,)) + start, line
    rest = _varint(end - line) + _varint(column + 1) + _varint(end_column + 1)
    return bytes((0x80 | 14 << 3 | units - 1,)) + start + rest, line


def _line_table(units: int, first: int, positions: tuple[tuple[Any, ...], ...]) -> bytes:
    """A location table: an instruction for each further position, then positions[0]."""
    out = []
    line = first
    for position in positions[1:]:
        entry, line = _line_entry(1, line, position)
        out.append(entry)
    left = units - (len(positions) - 1)
    while left > 0:
        entry, line = _line_entry(min(left, 8), line, positions[0])
        out.append(entry)
        left -= 8
    return b"".join(out)


@functools.lru_cache(4096)
def frame_code(
    file: str,
    name: str,
    qualname: str,
    first: int,
    flags: int,
    args: tuple[int, int, int],
    names: tuple[str, ...],
    unbound: tuple[int, ...],
    positions: tuple[tuple[Any, ...], ...],
    is_outermost: bool,
) -> types.CodeType:
    is_function = flags & OPTIMIZED_NEWLOCALS == OPTIMIZED_NEWLOCALS
    template = _template(len(names), unbound, pads_for(positions), is_function, is_outermost)
    first = max(first, 1)  # generated code may start at line 0, which replace() refuses
    places: dict[str, Any] = dict(
        co_filename=file,
        co_name=name,
        co_qualname=qualname,
        co_firstlineno=first,
        co_linetable=_line_table(len(template.co_code) // 2, first, positions),
    )
    if is_function:
        positional_only, positional, keyword_only = args
        rest = (flags >> 2 & 1) + (flags >> 3 & 1)  # *args, **kwargs
        has_all = positional + keyword_only + rest <= len(names)
        if 0 <= positional_only <= positional and keyword_only >= 0 and has_all:
            places.update(
                co_posonlyargcount=positional_only,
                co_argcount=positional,
                co_kwonlyargcount=keyword_only,
            )
            places.update(co_flags=template.co_flags | flags & _VARARGS_VARKEYWORDS)
        places.update(co_varnames=names)
    return template.replace(**places)
