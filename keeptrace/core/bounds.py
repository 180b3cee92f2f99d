"""The bounds of a dump, and of the cost of reading a dump: one table for writer and reader.

The options of a capture bound what people want to keep. These bounds protect a reader: a few
kilobytes of forged data could otherwise take any time or memory. The reader refuses a dump beyond a
bound (format/reading.py, format/checking.py, format/costs.py). The writer cuts, and marks the cut.

In brackets: the unit, and the module in which the writer cuts; format/fitting.py if none is named.
"""

from __future__ import annotations

from typing import Final

# -- the file

# A default dump stays well below 4 MiB, mostly for the decompressed report. (bytes)
MAX_DUMP: Final = 64 << 20
# A dump has some thirty opcodes, and four a source file. (opcodes; capture/source.py by
# MAX_SOURCES)
MAX_OPCODES: Final = 20_000
# The sources then need no more opcodes than MAX_OPCODES. (files; capture/source.py)
MAX_SOURCES: Final = 2_000
# The header's texts take a third at most, each character escaped. (characters; format/writing.py)
MAX_HEADER: Final = 65_536
# Each text in the header, such as the message. (characters; format/writing.py)
MAX_SHORT_TEXT: Final = 500
# A report has 7. (levels of lists and dicts; its layout)
MAX_NESTING: Final = 10
# A default dump has at most some 100,000; reading this many takes 300 MB. (elements of lists and
# dicts)
MAX_PARTS: Final = 2_500_000

# -- values

# The table of values. (values; capture/values.py by MAX_READ, capture/chain.py by MAX_EXCEPTIONS)
MAX_VALUES: Final = 500_000
# The rest is for values without an object: arguments, notes, marks of cuts. (values;
# capture/values.py)
MAX_READ: Final = 400_000
# Arithmetic on larger numbers is slow. (hexadecimal digits; capture/values.py)
MAX_DIGITS: Final = 100_000
# A shared value counts once for each time it is hashed or compared. (values in keys)
MAX_KEYS: Final = 4_000_000
# C code hashes tuples in tuples by recursion. (levels in a key)
MAX_KEY_DEPTH: Final = 200
# A shared value counts once for each time it is shown; str() of this many takes a second or two.
# (values in the messages of all exceptions)
MAX_UNFOLDED: Final = 10_000_000

# -- types

# Each may become a class, of a kilobyte. (types; capture/values.py)
MAX_TYPES: Final = 40_000
# Nobody writes a longer name; a view may show one type's name for thousands of values. (characters
# of a name of a type, a module or a function)
MAX_NAME: Final = 1_000
# No system allows a longer path. (characters of a file's name; capture/facts.py)
MAX_FILE_NAME: Final = 8_000
# Classes whose names were kept for "did you mean": each is made. (classes)
MAX_CLASSES: Final = 1_000
# (bases of one exception type)
MAX_BASES: Final = 1_000
# (ancestors of one exception type)
MAX_ANCESTORS: Final = 1_000
# Time to make all exception types; Python merges ancestors in quadratic time. (nanoseconds)
MAX_LINEAGE: Final = 1_500_000_000

# -- frames

# One template has at most this many. (variables of one frame)
MAX_LOCALS: Final = 200_000
# Each kind of frame is compiled: this many take a second or two. (variables of one frame of each
# kind)
MAX_SHAPES: Final = 220_000
# (kinds of frames)
MAX_KINDS: Final = 20_000
# (frames of all tracebacks)
MAX_ENTRIES: Final = 100_000
# (variables of all frames of all tracebacks)
MAX_STORES: Final = 5_000_000

# -- exceptions

# Each takes some 20 microseconds to make. (exceptions; capture/chain.py)
MAX_EXCEPTIONS: Final = 50_000
# A shared child counts once for each group, because a printer shows each child in each group.
# (exceptions in a group)
MAX_CHILDREN: Final = 100_000


def short_name(text: str, most: int = MAX_NAME) -> str:
    """A name within the bound; a mark at the end says how long the name was."""
    if len(text) <= most:
        return text
    # without a dot, after which readers expect a class's own name
    mark = f"… ({len(text)} characters)"
    return text[: most - len(mark)] + mark
