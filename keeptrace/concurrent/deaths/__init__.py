"""Facts about workers for their parent: black boxes, stacks of living workers, causes of deaths.

In: processes that an engine started. Out: WorkerDeath and WorkerStack. The room imports core,
capture and restore.
"""
