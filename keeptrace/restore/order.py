"""Sorts indexes by their needs, without recursion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator


def in_order(roots: Iterable[int], needs: Callable[[int], Iterable[int]]) -> Iterator[int]:
    """The roots and their needs, in an order in which each index follows its own needs.

    An index that needs itself, as in damaged data, is given as if it did not.
    """
    state: dict[int, int] = {}  # 1: on the stack, 2: given
    for root in roots:
        stack = [root]
        while stack:
            index = stack[-1]
            waiting = [] if index in state else [need for need in needs(index) if need not in state]
            state.setdefault(index, 1)
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            if state[index] == 1:
                state[index] = 2
                yield index
