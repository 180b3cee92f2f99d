"""One suite for every engine: the same tasks fail in the same ways in each, and the same must arrive.

cases.py says what is run and what must arrive, engines.py how each engine is opened and asked, test_engines.py puts the two
together, conftest.py writes the table of docs/engines.md from the outcomes.
"""
