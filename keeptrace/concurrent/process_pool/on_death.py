"""What becomes of an executor whose worker dies: its arguments for that, checked."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias, get_args

from ...core.errors import OptionError
from ..deaths.black_box import POSIX

# Deaths in a row that break the pool, for each worker: a task that is tried again by its caller may
# kill its worker twice, and all workers may be killed at once. (deaths)
DEATHS: Final = 3

OnDeath: TypeAlias = Literal["break", "replace"]


class Healing(NamedTuple("Healing", [("on_death", OnDeath), ("max_deaths", int | None)])):
    """The two arguments of an executor."""

    __slots__ = ()

    def survived(self, workers: int) -> int | None:
        """Deaths in a row that an executor of so many workers survives; None: it breaks at the
        first one.
        """
        if self.on_death == "break":
            return None
        return DEATHS * workers if self.max_deaths is None else self.max_deaths


def check_on_death(on_death: object, max_deaths: object) -> None:
    """Raises OptionError for arguments that an executor cannot have."""
    if on_death not in get_args(OnDeath):
        raise OptionError(f'on_death must be "break" or "replace", not {on_death!r}')
    if on_death == "replace" and not POSIX:
        raise OptionError('on_death="replace" needs a POSIX system: use "break" here')
    is_count = max_deaths is None or (type(max_deaths) is int and max_deaths >= 0)
    if not is_count:
        raise OptionError(f"max_deaths must be None or at least 0 deaths, not {max_deaths!r}")
