"""What every other room stands on: errors, options, bounds, the layout of a report, the guard.

In: nothing of keeptrace. Out: plain functions, types and tables. Nothing here knows how an
exception is captured, written or restored. The room imports the standard library alone.
"""

# Dumps go there by default, in the current directory. Here, because every program that imports
# keeptrace has this module, and pytest's plugin must import no other.
DEFAULT_DIRECTORY: str = "keeptrace-dumps"
