"""What one dump may hold, and what reading it may cost: one table for writer and reader.

The options of a capture bound what people want to keep. These bound what a reader can bear: a few
kilobytes of forged data could otherwise take any time or memory. The reader refuses what is above
(format/reading.py, format/checking.py, format/costs.py); the writer cuts what would be, and marks
the cut. In
brackets: the unit, and where the writer keeps to it; format/fitting.py where nothing else is said.
"""

from __future__ import annotations

from typing import Final

# -- the file

# A default dump stays well below 4 MiB; much of this is the decompressed report. (bytes)
MAX_DUMP: Final = 64 << 20
# A dump has some thirty opcodes, and four a source file. (opcodes; capture/source.py by
# MAX_SOURCES)
MAX_OPCODES: Final = 20_000
# Keeps the opcodes of the sources within those of the dump. (files; capture/source.py)
MAX_SOURCES: Final = 2_000
# The texts below take a third of it at most, each character escaped. (characters;
# format/writing.py)
MAX_HEADER: Final = 65_536
# Of the message in the header, and of the other texts there. (characters; format/writing.py)
MAX_SHORT_TEXT: Final = 500
# A report has 7. (levels of lists and dicts; its layout)
MAX_NESTING: Final = 10
# A default dump has some 100,000 at most; these take 300 MB to read. (elements of lists and dicts)
MAX_PARTS: Final = 2_500_000

# -- values

# (values that the report's table has; capture/values.py by MAX_READ, and capture/chain.py by
# MAX_EXCEPTIONS)
MAX_VALUES: Final = 500_000
# Leaves room for what no object stands for: arguments, notes, marks of cuts. (values;
# capture/values.py)
MAX_READ: Final = 400_000
# Arithmetic on a larger number takes its time. (hexadecimal digits; capture/values.py)
MAX_DIGITS: Final = 100_000
# What is shared counts each time that it is hashed or compared. (values in keys)
MAX_KEYS: Final = 4_000_000
# C code hashes tuples in tuples by recursion. (levels in a key)
MAX_KEY_DEPTH: Final = 200
# What is shared counts each time that it is shown: str() of all takes a second or two. (values in
# the messages of all exceptions)
MAX_UNFOLDED: Final = 10_000_000

# -- types

# Each may become a class, of a kilobyte. (types; capture/values.py)
MAX_TYPES: Final = 40_000
# Beyond the longest that people write; one type's name is shown for thousands of values.
# (characters of a name of a type, a module or a function)
MAX_NAME: Final = 1_000
# Longer than the longest path that systems allow. (characters of a file's name; capture/facts.py)
MAX_FILE_NAME: Final = 8_000
# Classes whose names were kept for "did you mean": each is made. (classes)
MAX_CLASSES: Final = 1_000
# (bases of one exception type)
MAX_BASES: Final = 1_000
# (ancestors of one exception type)
MAX_ANCESTORS: Final = 1_000
# What making all exception types takes; Python merges ancestors in quadratic time. (nanoseconds)
MAX_LINEAGE: Final = 1_500_000_000

# -- frames

# As many as one template may have. (variables of one frame)
MAX_LOCALS: Final = 200_000
# Each kind of frame is compiled; these take a second or two. (variables of one frame of each kind)
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
# What is shared counts each time: whoever prints a group meets them so. (exceptions in a group)
MAX_CHILDREN: Final = 100_000


def short_name(text: str, most: int = MAX_NAME) -> str:
    """A name within the bound; the mark at its end says how long it was."""
    if len(text) <= most:
        return text
    mark = f"… ({len(text)} characters)"  # no dot: what follows one is a class's own name
    return text[: most - len(mark)] + mark
