"""Live objects: objects that travel as themselves, in a pickle.

In: the objects of a report's values. Out: a pickle beside the report, without the owners of files,
sockets and other things outside of the process. The room imports core, and tables of restore.
"""
