"""What a whole process does now, as one exception that a dump can hold.

    threads.py   sys._current_frames() ─▶ a traceback for each thread ─┐
    tasks.py     the tasks of asyncio, their coroutines' frames ───────┼─▶ taking.py: a Snapshot
    waiting.py   which task waits for which, as a tree ────────────────┘

In: nothing but the process. Out: a Snapshot (groups.py), an exception group whose members have the
stacks. Runs none of the program's code and waits for nothing. The room imports core, capture and
the standard library; asyncio only where the program has loaded it.
"""
