"""Failed processes that are kept alive, to be debugged with their live objects.

In: an exception with its frames, in the process where it failed, and a Hold. Out: a process that
waits for attach() from any terminal of the same user. keeping.py forks it, waiting.py is what it
does; directory.py says where its socket is, peers.py how the two talk; attaching.py and listing.py
are the user's side. The room imports core, capture and store, and needs a system with fork.
"""
