"""Checks that no other tool makes: the wheel's size, the links of the page on the index, the files
of the sdist.

usage: python .ci/check_distribution.py WHEEL SDIST
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Images and environments of clusters download the wheel each time they are built. A wheel
# compresses each module alone, so smaller modules make a larger wheel. The bound finds data
# included by mistake. (bytes)
MAX_WHEEL = 900_000
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def problems(wheel: Path, sdist: Path) -> list[str]:
    found = []
    if wheel.stat().st_size > MAX_WHEEL:
        found.append(f"the wheel has {wheel.stat().st_size} bytes, more than {MAX_WHEEL}")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
        page = str(message_from_bytes(archive.read(metadata)).get_payload())
    found += [
        f"the page on the index has a relative link: {link}"
        for link in LINK.findall(page)
        if "://" not in link
    ]
    if "pip install keeptrace`" in page or "pip install keeptrace\n" in page:
        found.append("the page tells to install `keeptrace`, which is another distribution")
    for needed in ("keeptrace/py.typed", "/licenses/LICENSE"):
        if not any(name.endswith(needed) for name in names):
            found.append(f"the wheel lacks {needed}")
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    return found + [f"the sdist lacks {name}" for name in sorted(tracked() - held)]


def tracked() -> set[str]:
    """The files of the repository; of an unpacked sdist, which has no repository, none."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {name for name in listed.stdout.splitlines() if name != ".gitignore"}


if __name__ == "__main__":
    wheel, sdist = map(Path, sys.argv[1:])
    found = problems(wheel, sdist)
    print(
        "\n".join(found)
        or f"{wheel.name}: {wheel.stat().st_size} bytes; {sdist.name}: {sdist.stat().st_size} bytes"
    )
    sys.exit(bool(found))
