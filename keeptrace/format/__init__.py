"""Report ↔ bytes: only this room knows the layout of a dump.

writing.py makes dumps within the bounds; reading.py and checking.py read dumps without running any
code from the bytes; traveller.py has the restorer that travels along; api.py has dump() and load(),
pickling.py has init(). The room imports core, capture, restore and redact.
"""
