"""Exception → report.

In: an exception, options, and within a pool the engine's pickler. Out: a report, plain data
(core/report.py). The room never raises, and runs the program's code only under guard. capture.py
has the ladder; chain.py reads the exceptions, frames.py the frames, walk.py the values of both.
The room imports core, live, and tables of restore."""
