"""Opens a page in headless Chromium, and gives its document as the scripts have left it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


def browser() -> str | None:
    found = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    return next(filter(None, found), None)


def document_of(page: str, script: str, folder: Path) -> str:
    """The document after a script of the test's own, which runs after the page's. The page's policy
    allows none but its own, so the copy has no policy.
    """
    copy = folder / "page.html"
    changed = _POLICY.sub("", page).replace("</body>", f"<script>{script}</script></body>")
    copy.write_text(changed, "utf-8")
    command: list[Any] = [
        *(browser(), "--headless", "--no-sandbox", "--disable-gpu"),
        *("--disable-background-networking", f"--user-data-dir={folder}/profile"),
        *("--dump-dom", copy.as_uri()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert "</html>" in done.stdout, done.stderr
    return done.stdout
