"""`keeptrace run` puts this directory on PYTHONPATH, for sitecustomize.py. See tools/run.py."""
