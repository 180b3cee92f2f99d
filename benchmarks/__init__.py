"""Benchmarks: a module for each question, all on the exceptions of `corpus`. `python -m benchmarks`
runs everything.
"""
