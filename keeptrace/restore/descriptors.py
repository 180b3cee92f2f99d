"""Raw descriptors, which read classes and modules without running their hooks."""

from __future__ import annotations

import types
from typing import Any, Final

# typeshed confuses this class's __dict__ with an instance's
raw_names_in: Final[Any] = types.ModuleType.__dict__["__dict__"].__get__  # type: ignore[index]
raw_module_of: Final = type.__dict__["__module__"].__get__
raw_name_of: Final = type.__dict__["__name__"].__get__
raw_dict_of: Final = BaseException.__dict__["__dict__"].__get__
raw_mro_of: Final = type.__dict__["__mro__"].__get__
raw_namespace_of: Final = type.__dict__["__dict__"].__get__
raw_base_of: Final = type.__dict__["__base__"].__get__
raw_size_of: Final = type.__dict__["__basicsize__"].__get__
# The offset is below zero if the weakref list takes no room in the instance.
raw_weakref_offset_of: Final = type.__dict__["__weakrefoffset__"].__get__
