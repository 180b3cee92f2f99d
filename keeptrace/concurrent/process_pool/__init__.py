"""Executors of processes, the standard library's and loky's: our changes to their queues, threads
and endings.

In: the engines' classes, by engines.py. Out: the executors. The room imports concurrent/deaths and
concurrent/crossing.
"""
