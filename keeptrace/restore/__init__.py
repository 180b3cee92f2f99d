"""Report → exception, with real tracebacks over real frames.

In: a report, and a policy that says what may be looked up. Out: the exception. restore.py is the
way in, and tells how a frame is made. The room imports the standard library alone, and nothing of
keeptrace: format/build_traveller.py makes one text of its modules, which travels inside dumps.
"""
