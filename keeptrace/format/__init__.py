"""Report ↔ bytes: the only room that knows how a dump is laid out.

writing.py lays it out and fits it to the bounds; reading.py and checking.py read it without running
anything of it; traveller.py has the restorer that travels along; api.py is dump() and load(),
pickling.py is init(). The room imports core, capture, restore and redact.
"""
