"""`keeptrace run` puts this directory on PYTHONPATH, for its sitecustomize.py. See tools/run.py."""
