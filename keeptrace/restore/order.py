"""Sorts indexes by their needs, without recursion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator


def in_order(roots: Iterable[int], needs: Callable[[int], Iterable[int]]) -> Iterator[int]:
    """The roots and their needs, each index after its own needs.

    In damaged data an index may need itself: the function ignores such a need.
    """
    state: dict[int, int] = {}  # 1: on the stack, 2: given
    for root in roots:
        stack = [root]
        while stack:
            index = stack[-1]
            waiting: list[int] = []
            if index not in state:
                waiting = [need for need in needs(index) if need not in state]
                state[index] = 1
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            if state[index] == 1:
                state[index] = 2
                yield index
