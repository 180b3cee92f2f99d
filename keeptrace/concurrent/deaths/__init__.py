"""What a worker process leaves for its parent: black boxes, stacks of living workers, and what
killed the dead ones.

In: processes that an engine started. Out: WorkerDeath and WorkerStack. The room imports core,
capture and restore."""
