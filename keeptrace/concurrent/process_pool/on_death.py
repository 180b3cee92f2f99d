"""on_death and max_deaths: the arguments of executors for the death of a worker."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias, get_args

from ...core.errors import OptionError
from ..deaths.black_box import POSIX

# Deaths in a row that break the pool, for each worker: a caller may retry a task that kills its
# worker, and all workers may be killed at once. (deaths)
DEATHS: Final = 3

OnDeath: TypeAlias = Literal["break", "replace"]


class Healing(NamedTuple("Healing", [("on_death", OnDeath), ("max_deaths", int | None)])):
    """The two arguments of an executor."""

    __slots__ = ()

    def survived(self, workers: int) -> int | None:
        """Deaths in a row that an executor with `workers` survives; None: breaks at the first."""
        if self.on_death == "break":
            return None
        return most_deaths(self.max_deaths, workers)


def most_deaths(max_deaths: int | None, workers: int) -> int:
    """The argument max_deaths, or its default."""
    if max_deaths is None:
        return DEATHS * workers
    return max_deaths


def check_on_death(on_death: object, max_deaths: object) -> None:
    """Raises OptionError for arguments that no executor can have."""
    if on_death not in get_args(OnDeath):
        raise OptionError(f'on_death must be "break" or "replace", not {on_death!r}')
    if on_death == "replace" and not POSIX:
        raise OptionError('on_death="replace" needs a POSIX system: use "break" here')
    is_count = max_deaths is None or (type(max_deaths) is int and max_deaths >= 0)
    if not is_count:
        raise OptionError(f"max_deaths must be None or at least 0 deaths, not {max_deaths!r}")
