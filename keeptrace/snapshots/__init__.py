"""What a whole process is doing, as one exception that a dump can hold.

    threads.py   sys._current_frames() ─▶ a traceback for each thread ─┐
    tasks.py     the tasks of asyncio, their coroutines' frames ───────┼─▶ taking.py: a Snapshot
    waiting.py   a tree of the tasks that wait for one another ────────┘

In: the process itself. Out: a Snapshot (groups.py), an exception group of members with the stacks.
A snapshot runs none of the program's code and never waits. The room imports core, capture and the
standard library; asyncio only if the program has loaded asyncio.
"""
