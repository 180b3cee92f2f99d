"""Code objects for frames: one template for each number of variables, with positions written by
hand.
"""

from __future__ import annotations

import functools
import sys
import types
from typing import Any, Final

KEY: Final = "<keeptrace>"  # no identifier, so it never meets a name of the user's
# What the interpreter and linecache look for in a module's namespace, and then call: never taken
# from data.
NEVER_GLOBAL: Final = (KEY, "__builtins__", "__loader__", "__spec__")
# Frames of modules and class bodies are run by eval(), which takes some 700 bytes of the C stack,
# of which a thread may have 512 kB; and Python 3.12 allows some 500 in all. Those beyond are
# restored as functions.
MOST_EVALS: Final = 300
# So many run on the stack of whoever restores, of which little may be left; more run in a thread
# with a stack of their own.
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
    """The code described at the head of this file, for a frame with `count` locals.

    unbound: which of them are deleted again (arguments without a value).
    pads: instructions in front, for more positions.
    """
    import ast  # costly, and no worker process needs it: only who restores does

    where: dict[str, Any] = dict(lineno=1, end_lineno=1, col_offset=0, end_col_offset=0)

    def name(text: str, context: ast.expr_context) -> ast.Name:
        return ast.Name(text, context, **where)

    def call(function: ast.expr) -> ast.Call:
        return ast.Call(function, [], [], **where)

    key = call(name(KEY, ast.Load()))
    body: list[ast.stmt] = [ast.Expr(key, **where) for _ in range(pads)]
    if count:
        target = ast.Tuple(
            [name(f"v{index}", ast.Store()) for index in range(count)], ast.Store(), **where
        )
        body.append(ast.Assign([target], key, **where))
    if unbound:
        body.append(ast.Delete([name(f"v{index}", ast.Del()) for index in unbound], **where))
    body.append(ast.Expr(call(key), **where))
    flags = 0
    if is_function:
        no_arguments = ast.arguments(
            posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[]
        )
        define: Any = ast.AsyncFunctionDef if is_outermost else ast.FunctionDef
        if is_outermost:
            body.append(ast.Expr(ast.Yield(None, **where), **where))
        body = [define("f", no_arguments, body, [], **where)]
        if sys.version_info >= (3, 12):
            body[0].type_params = []  # type: ignore[attr-defined]  # FunctionDef has it from 3.12 on
    elif is_outermost:
        # A module cannot yield. So it awaits, and gets the flags of an asynchronous generator.
        body.append(ast.Expr(ast.Await(key, **where), **where))
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code: types.CodeType = compile(
        ast.Module(body, []), "<keeptrace>", "exec", flags, dont_inherit=True, optimize=0
    )
    if is_function:
        function: types.CodeType = next(
            const for const in code.co_consts if isinstance(const, types.CodeType)
        )
        return function
    return (
        code.replace(co_flags=code.co_flags & ~_COROUTINE | _ASYNC_GENERATOR)
        if is_outermost
        else code
    )


# Extra positions go onto the first instructions, before the last call; every pad makes room for
# these many more.
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


_MOST_LINES: Final = 10_000  # of one expression: traceback reads them all


def _line_entry(units: int, before: int, position: tuple[Any, ...]) -> tuple[bytes, int]:
    """One entry of a code object's location table (CPython, Objects/locations.md), and the line it
    leaves off at.
    """
    line, end, column, end_column = position
    if line is None:
        return bytes((0x80 | 15 << 3 | units - 1,)), before
    delta = line - before
    start = _varint((-delta << 1) | 1 if delta < 0 else delta << 1)
    if end is None or column is None or end_column is None or not line <= end <= line + _MOST_LINES:
        return bytes((0x80 | 13 << 3 | units - 1,)) + start, line
    rest = _varint(end - line) + _varint(column + 1) + _varint(end_column + 1)
    return bytes((0x80 | 14 << 3 | units - 1,)) + start + rest, line


def _line_table(units: int, first: int, positions: tuple[tuple[Any, ...], ...]) -> bytes:
    """positions[0] for all instructions but the first ones, which have one of the others each."""
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
    first = max(first, 1)  # generated code may start below, but replace() takes no such line
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
        if (
            0 <= positional_only <= positional
            and keyword_only >= 0
            and positional + keyword_only + rest <= len(names)
        ):
            places.update(
                co_posonlyargcount=positional_only,
                co_argcount=positional,
                co_kwonlyargcount=keyword_only,
            )
            places.update(co_flags=template.co_flags | flags & _VARARGS_VARKEYWORDS)
        places.update(co_varnames=names)
    return template.replace(**places)
