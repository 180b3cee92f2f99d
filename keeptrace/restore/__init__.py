"""Report → exception, with real tracebacks over real frames.

In: a report, and a policy that says which names may be looked up. Out: the exception. restore.py
has the entry points, and explains how a frame is made. The room imports only the standard library,
nothing of keeptrace: format/build_traveller.py joins its modules to a text that travels in dumps.
"""
