"""What every other room stands on: errors, options and bounds, the layout of a report, raw readers,
the guard.

In: nothing of keeptrace. Out: plain functions and tables. Nothing here knows how an exception is
captured, written or restored. The room imports the standard library, and keeptrace.redact.redaction
for the option of that name."""

# Dumps go there by default, in the current directory. Here, because every program that imports
# keeptrace has this module, and pytest's plugin must import no other.
DEFAULT_DIRECTORY: str = "keeptrace-dumps"
