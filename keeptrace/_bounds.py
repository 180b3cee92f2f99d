"""What one dump may hold, and what reading it may cost: one table for who writes a dump and who reads it.

The reader (_checking.py, _costs.py, _reading.py) refuses what is above a bound: a few kilobytes of forged data could
otherwise take any time or memory. The options of a capture are bounds of what people want; these are bounds of what a
reader can bear.
"""

from __future__ import annotations

from typing import Final

# -- the file

# A default dump stays well below 4 MiB; much of this is the decompressed report. (bytes)
MAX_DUMP: Final = 64 << 20
# A dump has some thirty opcodes, and six a source file.
MAX_OPCODES: Final = 20_000
# The writer keeps texts of the header within a third of it. (characters)
MAX_HEADER: Final = 65_536
# Of the message in the header, and of the other texts there. (characters)
MAX_SHORT_TEXT: Final = 500
# A report has 7. (levels of lists and dicts)
MAX_NESTING: Final = 10
# Elements of all lists and dicts. A default dump has some 100,000 at most; these take 300 MB to read.
MAX_PARTS: Final = 2_500_000

# -- values

MAX_VALUES: Final = 500_000
# Arithmetic on a larger number takes its time. (hexadecimal digits)
MAX_DIGITS: Final = 100_000
# Reducing a fraction takes quadratic time. (hexadecimal digits of its numerator or denominator)
MAX_FRACTION: Final = 2_000
# Values that are hashed as keys, when shared ones are counted each time.
MAX_KEYS: Final = 4_000_000
# C code hashes tuples in tuples by recursion. (levels)
MAX_KEY_DEPTH: Final = 200
# Values in an exception's message, when shared ones are counted each time they are shown.
MAX_UNFOLDED: Final = 10_000_000

# -- types

MAX_TYPES: Final = 20_000
# Classes among the values, with the names that they have: each is made.
MAX_CLASSES: Final = 1_000
# Each is made as a class.
MAX_EXCEPTION_TYPES: Final = 3_000
# Of one exception type.
MAX_BASES: Final = 20
# Of one exception type.
MAX_ANCESTORS: Final = 200

# -- frames

# Variables of one frame.
MAX_LOCALS: Final = 20_000
# Variables of all frames that are alike in number: each kind of frame is compiled.
MAX_SHAPES: Final = 200_000
# Frames of all tracebacks.
MAX_ENTRIES: Final = 100_000
# Positions of one frame in a traceback: each lengthens its code.
MAX_PLACES: Final = 2_000
# Variables of all frames of all tracebacks.
MAX_STORES: Final = 5_000_000

# -- exceptions

# Exceptions in a group and in the groups in it, when shared ones are counted each time.
MAX_CHILDREN: Final = 100_000
