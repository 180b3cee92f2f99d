"""Objects that travel as themselves, if a pickler can keep them.

In: the objects of a report's values. Out: one pickle beside the report, without objects that own
something outside of the process. The room imports core, and tables of restore.
"""
