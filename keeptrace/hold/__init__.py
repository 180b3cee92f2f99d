"""Failed processes that are kept alive, to be debugged with their live objects.

In: an exception with its frames, in the failed process, and a Hold. Out: a process that waits for
attach() from any terminal of the same user. keeping.py forks the held process, waiting.py is its
main loop; directory.py has the sockets, peers.py the messages; attaching.py and listing.py are the
user's side. debugging.py lends the terminal to a debugger of keeptrace/debug.py. The room imports
core, capture, store and debug, and needs a system with fork.
"""
