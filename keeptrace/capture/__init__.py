"""Exception → report.

In: an exception, options, and within a pool how the engine pickles. Out: a report, plain data
(core/report.py). Runs none of the program's code but under guard, and never raises: capture.py has
the ladder, chain.py the exceptions, frames.py the frames, values.py what they hold. The room
imports core, live, and tables of restore."""
