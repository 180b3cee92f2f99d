"""The directory that `keeptrace run` puts on PYTHONPATH, for the sake of the sitecustomize.py in
it. See tools/run.py.
"""
