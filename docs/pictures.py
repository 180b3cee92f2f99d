"""Makes the pictures in docs/pictures/ anew: `python docs/pictures.py`.

Needs the extras cli, html and debuggers, and pexpect, playwright and a Chromium for the pages.
Everything shown is real output.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pexpect
from rich.console import Console
from rich.text import Text

from keeptrace.format.api import read_bytes
from keeptrace.format.reading import decode
from keeptrace.render import terminal
from keeptrace.render.html import to_html
from keeptrace.render.model import make_view

PICTURES = Path(__file__).parent / "pictures"
WIDTH = 110
FOLDER = "keeptrace-pictures"

PROGRAM = """\
from dataclasses import dataclass, field
from concurrent.futures import ProcessPoolExecutor


@dataclass
class Order:
    number: int
    lines: list = field(default_factory=list)
    paid: dict = field(default_factory=dict)


def price(order):
    net = sum(line["price"] * line["quantity"] for line in order.lines)
    return net * (1 + order.paid["vat"])


def invoice(number):
    order = Order(number, [{"price": 19.9, "quantity": 2}, {"price": 5.0, "quantity": 1}], {"card": "visa"})
    api_token = "tok_4f9d0c1b7a2e4e0f9b"
    try:
        return price(order)
    except KeyError as problem:
        raise RuntimeError(f"order {number} cannot be invoiced") from problem


if __name__ == "__main__":
    with ProcessPoolExecutor(2) as pool:
        print(list(pool.map(invoice, [1001])))
"""


def elsewhere(path: str) -> str:
    """A path as it would be on a server: where the pictures are made is nobody's business."""
    return (
        path.replace(sys.base_prefix, "/usr")
        .replace(tempfile.gettempdir(), "/srv")
        .replace(FOLDER, "app")
    )


def record() -> Console:
    return Console(
        record=True,
        file=io.StringIO(),
        width=WIDTH,
        force_terminal=True,
        color_system="truecolor",
        highlight=False,
    )


def save(console: Console, name: str, title: str) -> None:
    console.save_svg(str(PICTURES / f"{name}.svg"), title=title)


def debugger(dump: Path) -> None:
    """A session with pdb, as it was typed."""
    env = {**os.environ, "NO_COLOR": "1", "PYTHON_COLORS": "0", "TERM": "dumb"}
    child = pexpect.spawn(
        sys.executable,
        ["-m", "keeptrace", "debug", dump.name, "-e", "2"],
        cwd=dump.parent,
        env=env,
        encoding="utf-8",
        timeout=30,
    )
    console = record()
    console.print(Text(f"$ keeptrace debug {dump.name} -e 2", style="bold"))
    for command in ("p order", "p order.lines[0]", "up", "p api_token", "q"):
        child.expect(r"\(Pdb\) ")
        console.print(Text(elsewhere(child.before.replace("\r", "")) + f"(Pdb) {command}"))
        child.sendline(command)
        child.readline()  # the echo
    child.close()
    save(console, "debug", "keeptrace debug")


def pages(report: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for name, scheme, size in (
            ("report-light", "light", (1100, 1000)),
            ("report-dark", "dark", (1100, 1000)),
            ("report-phone", "dark", (390, 844)),
        ):
            page = browser.new_page(
                viewport={"width": size[0], "height": size[1]}, color_scheme=scheme
            )
            page.goto(report.as_uri())
            page.locator(
                "details.frame[open] details.value > summary", has_text="order"
            ).first.click()
            page.screenshot(path=str(PICTURES / f"{name}.png"))
            page.close()
        browser.close()


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    folder = Path(tempfile.gettempdir(), FOLDER)
    folder.mkdir()
    try:
        draw(folder)
    finally:
        shutil.rmtree(folder)


def draw(folder: Path) -> None:
    (folder / "shop.py").write_text(PROGRAM)
    subprocess.run(
        [sys.executable, "-m", "keeptrace", "run", "shop.py"],
        cwd=folder,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    (found,) = (folder / "keeptrace-dumps").glob("*.keeptrace")
    dump = found.rename(folder / "crash.keeptrace")
    read = decode(read_bytes(dump))
    for code in read.report["codes"]:
        code["file"] = elsewhere(code["file"])
    read.report["sources"].update(
        {elsewhere(file): packed for file, packed in read.report["sources"].items()}
    )
    header = {**read.header, "where": elsewhere(read.header["where"])}
    console = record()
    console.print(Text("$ keeptrace show crash.keeptrace", style="bold"))
    terminal.show(make_view(read.report), console)
    save(console, "show", "keeptrace show")
    debugger(dump)
    (folder / "report.html").write_text(to_html(make_view(read.report), header), encoding="utf-8")
    pages(folder / "report.html")


if __name__ == "__main__":
    main()
