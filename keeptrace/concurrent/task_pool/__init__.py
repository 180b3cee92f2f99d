"""KeepTracePool: multiprocessing.Pool's interface, with an examination of dead workers.

In: the engine's class, by engines.py. Out: the pool. pool.py shows the whole, traffic.py has the
messages, worker.py the worker's side, workers.py the processes. The room imports concurrent/deaths
and concurrent/crossing.
"""
