"""Executors of processes, the standard library's and loky's: what is ours in their queues, threads
and endings.

In: the engines' classes, by engines.py. Out: the executors. The room imports concurrent/deaths and
concurrent/crossing."""
