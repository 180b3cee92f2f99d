"""Benchmarks: one module a question, all on the exceptions of `corpus`. `python -m benchmarks` runs everything."""
