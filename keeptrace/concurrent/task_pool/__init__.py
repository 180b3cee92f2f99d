"""KeepTracePool: multiprocessing.Pool's interface over workers that are examined when they die.

In: the engine's class, by engines.py. Out: the pool. pool.py has the whole, traffic.py the
messages, worker.py the worker's side, workers.py the processes. The room imports concurrent/deaths
and concurrent/crossing."""
