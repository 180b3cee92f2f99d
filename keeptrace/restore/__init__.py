"""Report → exception, with real tracebacks over real frames.

In: a report, and a policy for looking up names. Out: the exception. restore.py has the entry
points, and explains the making of a frame. The room imports only the standard library, nothing of
keeptrace: format/build_traveller.py joins the modules to a text that travels in dumps.
"""
