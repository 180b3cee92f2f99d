"""Views: what is shown of a report is what was, in every view, and nothing in it commands the terminal or the browser."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sys
import traceback
import zlib
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Iterator

import cases
import pytest

from keeptrace import DumpError, KeepTraceError, Options
from keeptrace.capture.capture import capture
from keeptrace.core.texts import printable
from keeptrace.format.api import report_of
from keeptrace.render.data import to_data
from keeptrace.render.model import make_view
from keeptrace.render.plain_text import traceback_text
from keeptrace.render.view import View
from keeptrace.restore.restore import restore

pytest.importorskip("rich", reason="the terminal view is drawn by rich")
pytest.importorskip("jinja2", reason="the page is a template of jinja2")

from rich.console import Console  # noqa: E402

from keeptrace.render.html import to_html  # noqa: E402
from keeptrace.render.terminal import show  # noqa: E402

ATTACKS = [
    "</script><script>window.hacked=1</script>",
    '<img src=x onerror="window.hacked=1">',
    "\"' onmouseover='window.hacked=1",
    "</style><style>*{display:none}</style>",
    "{{ 7 * 7 }}{% raw %}<!--",
    "]]>\x1b]0;owned\x07\x1b[2J\u202e\u2066 backwards \x9b31m \ud800",
    "[bold red]markup[/] [link=file:///etc]x[/link]",
    "javascript:window.hacked=1",
]


def raised(name: str) -> BaseException:
    try:
        cases.run(name)
    except BaseException as exc:
        return exc
    raise AssertionError(f"{name} raised nothing")


def caught(function: Any, *args: Any) -> BaseException:
    try:
        function(*args)
    except BaseException as exc:
        return exc
    raise AssertionError("it raised nothing")


def view_of(exc: BaseException, **options: Any) -> View:
    return make_view(capture(exc, Options(**{"max_seconds": 20.0, **options})))


def printed(view: View, colour: bool = False, **options: Any) -> str:
    console = Console(
        file=io.StringIO(),
        force_terminal=colour,
        color_system="truecolor" if colour else None,
        width=120,
        highlight=False,
    )
    show(view, console, **options)
    return console.file.getvalue()  # type: ignore[attr-defined]


def in_order(exc: BaseException) -> Iterator[BaseException]:
    waiting, seen = [exc], {id(exc)}
    for found in waiting:
        yield found
        children = found.exceptions if isinstance(found, BaseExceptionGroup) else ()
        for other in (found.__cause__, found.__context__, *children):
            if other is not None and id(other) not in seen:
                seen.add(id(other))
                waiting.append(other)


def only_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@contextmanager
def shallow_stack() -> Iterator[None]:
    """Endless recursion ends after fewer frames: each frame is drawn in every view."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(sum(1 for _ in traceback.walk_stack(None)) + 250)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


# -- the model


@pytest.mark.parametrize("name", cases.CASES)
def test_every_case_is_shown_as_it_was(name: str) -> None:
    """Messages and frames of the view are those that a restored exception has, and every view can be drawn of it."""
    with shallow_stack():
        exc = raised(name)
    report = capture(exc, Options(max_seconds=20.0, depth=2))  # less to draw
    restored = list(in_order(restore(report)))
    view = make_view(report)
    chained = [each for each in view.exceptions if each.relation != "held"]
    assert len(chained) == len(restored)
    for shown, exc in zip(chained, restored):
        try:
            message = str(exc)
        except Exception:  # a class whose own words fail
            continue
        if " object at 0x" not in message:
            assert shown.message == printable(message, "\n\t")
        entries = []
        entry = exc.__traceback__
        while entry is not None:
            entries.append((entry.tb_lineno, entry.tb_frame.f_code.co_name))
            entry = entry.tb_next
        assert [(frame.line, frame.name) for frame in shown.frames if not frame.left_out] == entries
    for text in (printed(view), only_colours(printed(view, colour=True, everything=True))):
        assert all(line.isprintable() for line in text.replace("\t", " ").split("\n"))
    json.dumps(to_data(view, {}, everything=True), allow_nan=False)
    to_html(view, {})


def test_one_line_texts() -> None:
    """A value's line is its repr where the value is whole, and says what is missing where it is not."""
    cycle: list[Any] = [1]
    cycle.append(cycle)
    values = [
        [1, 2],
        (1,),
        set(),
        {3},
        {"a": [None]},
        frozenset({2}),
        b"\x00b",
        10**30,
        1.5,
        2j,
        "tab\tquote'",
        cycle,
        ...,
    ]

    def fail(values: Any) -> None:
        long = list(range(500))
        raise ValueError

    view = view_of(caught(fail, values))
    frame = view.root.frames[-1]
    shown = dict(frame.locals)
    assert view.values.text(shown["values"], 10_000) == repr(values)
    assert (
        view.values.text(shown["long"], 10_000)
        == f"[{', '.join(map(str, range(100)))}, ... 400 more]"
    )
    assert len(view.values.text(shown["long"], 50)) == 50


def test_tree_and_order() -> None:
    """Causes come before what they caused and children after their group; what `from None` hides is left to --all."""

    def fail() -> None:
        try:
            raise KeyError("hidden")
        except KeyError:
            try:
                raise ValueError("child") from None
            except ValueError as child:
                raise ExceptionGroup("group", [child, OSError(2, "none", "f")]) from TypeError(
                    "cause"
                )

    view = view_of(caught(fail))
    assert [exception.title for exception in view.in_order()] == [
        "TypeError: cause",
        "ExceptionGroup: group (2 sub-exceptions)",
        "ValueError: child",
        "FileNotFoundError: [Errno 2] none: 'f'",
    ]
    assert "hidden" in [exception.message.strip("'") for exception in view.tree(suppressed=True)]
    text = printed(view)
    assert (
        "hidden" not in text
        and "1 of the 2 in the group [2]" in text
        and "+- [1] cause: TypeError: cause" in text
    )
    assert "KeyError: 'hidden'" in printed(view, everything=True)


def test_damaged_reports_are_one_error() -> None:
    """Whatever is wrong with a report's layout is told as DumpError when the view is made."""
    good = capture(raised("zero_division"), Options())

    def broken(change: Any) -> Any:
        report = json.loads(json.dumps({**good, "sources": {}, "live": None}))
        change(report)
        return report

    changes = [
        lambda report: report["values"].append(["no such kind", 1, 2]),
        lambda report: report["values"].append(["list", 1, [[99_999]]]),
        lambda report: report["exceptions"][0].pop("args"),
        lambda report: report["exceptions"][0].update(cause=77),
        lambda report: report["frames"].clear(),
        lambda report: report.update(exceptions=[]),
        lambda report: report["frames"][0].update(locals={"x": [[1]]}),
        lambda report: report["exceptions"][0].update(traceback=[[0, [1, 2]]]),
    ]
    make_view(broken(lambda report: None))
    for change in changes:
        with pytest.raises(DumpError, match="damaged"):
            make_view(broken(change))


# -- sources


def failing_file(tmp_path: Path, text: str) -> tuple[Path, BaseException]:
    path = tmp_path / "program.py"
    path.write_text(text, encoding="utf-8")
    return path, caught(exec, compile(text, str(path), "exec"), {"__name__": "program"})


PROGRAM = """\
def first():
    return 1

def fail(x):
    é = 'ü'; return len(é) + x['键']

fail({})
"""


def test_source_of_the_snapshot(tmp_path: Path) -> None:
    """The lines are those that ran, though the file has changed since; the marks lie on characters, not on bytes."""
    path, exc = failing_file(tmp_path, PROGRAM)
    report = capture(exc, Options())
    path.write_text("# something else\n" * 20)
    view = make_view(report)
    frame = view.root.frames[-1]
    snippet = view.sources.snippet(frame, 1, 1)
    assert snippet is not None
    start, end = snippet.marks[5]
    assert snippet.lines[5 - snippet.first][start:end] == "x['键']"
    assert "something else" not in printed(view)


def test_file_at_hand_only_if_it_is_the_one(tmp_path: Path) -> None:
    """Without a snapshot the file of this machine is shown, unless it no longer has that expression in that function."""
    path, exc = failing_file(tmp_path, PROGRAM)
    report = capture(exc, Options(include_source=False))
    assert "x['键']" in printed(make_view(report))
    for other in (
        PROGRAM.replace("def first", "\n\ndef first"),
        PROGRAM.replace("fail(", "fall("),
        PROGRAM.replace("é = 'ü'", "é = 'abc'"),
    ):
        path.write_text(other, encoding="utf-8")
        assert make_view(report).sources.snippet(make_view(report).root.frames[-1], 1, 1) is None


@pytest.mark.parametrize(
    "file",
    [
        "/etc/passwd",
        "/dev/zero",
        "//host/share/x.py",
        "\\\\host\\share\\x.py",
        "/tmp",
        "<string>",
        "",
    ],
)
def test_no_other_file_is_read(file: str) -> None:
    """A forged report cannot make a view show, or hang on, a file of this machine that is not the program."""
    report = json.loads(
        json.dumps({**capture(raised("zero_division"), Options()), "sources": {}, "live": None})
    )
    for code in report["codes"]:
        code["file"] = file
    view = make_view(report)
    assert view.sources.snippet(view.root.frames[-1], 2, 2) is None
    printed(view)


def test_bomb_in_the_sources() -> None:
    """A snapshot that unpacks to more than any module has is not unpacked."""
    report = capture(raised("zero_division"), Options())
    bomb = zlib.compress(bytes(100 << 20))
    report["sources"] = dict.fromkeys(report["sources"], bomb)
    view = make_view(report)
    assert view.sources.snippet(view.root.frames[-1], 2, 2) is None


# -- the terminal


def test_failing_expression_is_marked(tmp_path: Path) -> None:
    """Carets stand below the expression that failed, by cells: wide characters count two."""
    _, exc = failing_file(tmp_path, "键 = '中'; 1 / 0\n")
    lines = printed(view_of(exc)).split("\n")
    at = next(number for number, line in enumerate(lines) if "^" in line)
    from rich.cells import cell_len

    before = lines[at - 1].partition("1 / 0")[0]
    assert lines[at].index("^") == cell_len(before)
    assert lines[at].count("^") == 5


def test_recursion_is_bounded_and_reachable() -> None:
    """Of a thousand frames the first and the last ones are shown, the others are counted, and --frame shows each."""

    def down(n: int) -> None:
        down(n - 1) if n else 1 / 0

    view = view_of(caught(down, 500))
    text = printed(view)
    assert len(text.split("\n")) < 250
    assert "frames more" in text and "--frame N" in text
    assert "n = 400" in printed(view, frame=len(view.root.frames) - 400)
    assert printed(view, everything=True).count("  n = ") == 501
    with pytest.raises(KeepTraceError, match="numbered from 1"):
        printed(view, frame=10_000)


def test_one_frame_has_trees() -> None:
    """--frame shows attributes and elements below their value, each object once on a path."""

    def fail(node: Any) -> None:
        raise ValueError

    text = printed(view_of(caught(fail, Node())), frame=2).partition("    locals\n")[
        2
    ]  # the source above is this test's own
    assert re.search(r"\.name = 'root'", text) and re.search(r"\['key'\] = 1|\{'key': 1\}", text)
    assert text.count(".name = 'root'") == 1


def test_callers_are_shown() -> None:
    """outer_frames=True: every view has the frames that called, each marked, with their variables."""

    def keep() -> View:
        try:
            raise TimeoutError("late")
        except TimeoutError as exc:
            return view_of(exc, outer_frames=True, depth=1)  # pytest's frames are among them

    def caller(order: int) -> View:
        return keep()

    view = caller(7)
    *_, frame, innermost = view.root.frames
    assert frame.function.endswith("caller") and frame.is_caller
    assert innermost.function.endswith("keep") and not innermost.is_caller
    text = printed(view)
    assert f"{frame.function} (a caller)" in text and "order = 7" in text
    *_, told, last = to_data(view, {})["exceptions"][0]["frames"]
    assert told["function"] == frame.function and told["caller"] is True and "caller" not in last
    assert f"{frame.title}</span>".replace("<locals>", "&lt;locals&gt;") in to_html(view, {})


def test_secrets_and_cuts_are_told() -> None:
    """What was redacted shows as such and is counted."""

    def fail() -> None:
        password = "Tr0ub4" + str(12_345 * 3)  # put together, so that the source does not hold it
        raise ValueError("no")

    view = make_view(report_of(caught(fail)))
    text = printed(view)
    assert "Tr0ub437035" not in text and "redacted" in text
    assert "Tr0ub437035" not in to_html(view, {}) + json.dumps(to_data(view, {}))


class Node:
    def __init__(self) -> None:
        self.name = "root"
        self.children = [{"key": 1}]
        self.me = self


# -- hostile values, everywhere


def hostile_exception(attack: str) -> BaseException:
    """An exception with the text in every place that takes one."""
    is_name = "\ud800" not in attack  # C code keeps names as UTF-8
    cls = type(attack if is_name else "Attack", (Exception,), {"__module__": attack})

    class Value:
        def __repr__(self) -> str:
            return attack

    namespace: dict[str, Any] = {"__name__": attack, attack: attack}
    exec(compile("def fail(value, exc):\n    raise exc\n", "/nowhere/x.py", "exec"), namespace)
    fail = namespace["fail"]
    if is_name:
        Value.__qualname__ = attack
        fail.__code__ = fail.__code__.replace(
            co_name=attack, co_qualname=attack, co_filename=f"/nowhere/{attack}.py"
        )
    value = Value()
    value.__dict__[attack] = [attack, {attack: value}]
    exc = cls(attack)
    exc.__dict__[attack] = value
    exc.add_note(attack)
    exc.__cause__ = ExceptionGroup(attack, [ValueError(attack)])
    return caught(fail, {attack: value}, exc)


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_texts(attack: str) -> None:
    """Nothing that an exception can hold is markup to the page, a command to the terminal, or breaks the JSON."""
    report = capture(hostile_exception(attack), Options())
    if "\ud800" not in attack:
        report["sources"] = {
            file: zlib.compress(f"{attack}\n{attack}\n".encode())
            for file in [code["file"] for code in report["codes"]]
        }
    view = make_view(report)
    header = {"where": attack, "pid": attack, "time": attack, "type": attack}
    page = to_html(view, header)
    parsed = Page()
    parsed.feed(page)
    allowed = {
        *(
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "header",
            "h1",
            "h2",
            "dl",
            "div",
            "dt",
            "dd",
            "form",
            "input",
            "output",
            "button",
        ),
        *(
            "main",
            "nav",
            "ul",
            "li",
            "a",
            "span",
            "section",
            "details",
            "summary",
            "table",
            "tr",
            "td",
            "code",
            "pre",
            "b",
            "p",
            "script",
            "footer",
        ),
    }
    assert {tag for tag, _ in parsed.tags} <= allowed
    assert [tag for tag, _ in parsed.tags].count("script") == 1
    assert [tag for tag, _ in parsed.tags].count("style") == 1
    for tag, attributes in parsed.tags:
        assert not any(name.startswith("on") or name in ("src", "style") for name in attributes), (
            tag,
            attributes,
        )
        assert re.fullmatch(r"#(frame)?[ef\d-]+", attributes.get("href") or "#0")
    for text in (
        printed(view, everything=True),
        only_colours(printed(view, colour=True, everything=True)),
        printed(view, frame=1),
    ):
        assert all(line.isprintable() for line in text.split("\n"))
    data = json.loads(json.dumps(to_data(view, {}, everything=True)))
    assert data["exceptions"][0]["message"] == printable(attack)


def test_page_needs_nothing_else() -> None:
    """The page names no other file and no host, and its policy lets nothing be fetched or run but its own script."""
    page = to_html(view_of(raised("zero_division")), {})
    assert "default-src 'none'" in page
    assert not re.search(
        r"""(?:src|href|url)\s*[=(]\s*["']?(?!#)[a-z/]""", page.partition("<main>")[0]
    )
    assert not re.search(r"https?://", page.partition("<main>")[0])


def test_page_is_bounded() -> None:
    """A report as large as it can be makes a page that a browser opens: values beyond the bound are counted, not drawn."""

    def fail() -> None:
        tables = [[{"a": [j], "b": [i]} for j in range(90)] for i in range(90)]
        deep: list[Any] = []
        inner = deep
        for _ in range(300):
            inner.append([])
            inner = inner[0]
        raise ValueError

    view = view_of(caught(fail), depth=-1, max_values=1_000_000, max_bytes=1 << 30)
    page = to_html(view, {})
    assert len(page) < 12 << 20
    assert "are not shown on this page" in page
    printed(view, everything=True)


# -- in a real browser


def browser_path() -> str | None:
    return next(
        (
            path
            for name in ("chromium", "chromium-browser", "google-chrome")
            if (path := shutil.which(name))
        ),
        None,
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = browser_path()
    with playwright.sync_playwright() as started:
        try:
            found = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except playwright.Error as problem:
            pytest.skip(
                f"no headless browser can be started here: {str(problem).partition(chr(10))[0]}"
            )
        yield found
        found.close()


@pytest.fixture
def open_page(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Opens the page of an exception in the browser; what the browser complains of, and every request, fails the test."""
    complaints: list[str] = []
    contexts = []

    def open_it(exc: BaseException, **context: Any) -> Any:
        path = tmp_path / "report.html"
        path.write_text(
            to_html(view_of(exc), {"where": "here"}), encoding="utf-8", errors="backslashreplace"
        )
        made = browser.new_context(**context)
        contexts.append(made)
        page = made.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None if request.url == path.as_uri() else complaints.append(request.url)
            ),
        )
        page.goto(path.as_uri())
        return page

    yield open_it
    for made in contexts:
        made.close()
    assert complaints == []


def nested() -> None:
    cycle: list[Any] = ["needle-in-a-list"]
    cycle.append({"again": cycle})
    html = "</script><script>window.hacked=1</script>"
    raise KeyError(html)


@pytest.mark.timeout(60)
def test_browser_frames_values_and_cycles(open_page: Any) -> None:
    """The failing frame is open with its line marked; values open level by level; a cycle is a link to where it began."""
    page = open_page(caught(nested))
    frame = page.locator("details.frame[open]")
    assert frame.count() == 1
    assert "raise KeyError(html)" in frame.locator("tr.fails").inner_text()
    line = frame.locator("details.value > summary", has_text="needle-in-a-list").first
    line.click()
    assert frame.locator("a.same").count() == 1
    frame.locator("details.value > summary", has_text="again").last.click()
    frame.locator("a.same").click()
    assert page.evaluate("location.hash").startswith("#f")
    assert page.evaluate("window.hacked") is None


@pytest.mark.timeout(60)
def test_browser_search(open_page: Any) -> None:
    """A search opens what holds the text, marks it, counts it, and goes on with Enter."""
    page = open_page(caught(nested))
    page.fill("#search", "needle-in-a-list")
    page.wait_for_selector(".hit.current")
    assert page.locator(".hit").count() >= 2
    assert page.locator(".hit.current").is_visible()
    first = page.locator("#found").inner_text()
    page.press("#search", "Enter")
    assert page.locator("#found").inner_text() != first
    page.fill("#search", "nowhere at all")
    page.locator("#found", has_text="nothing found").wait_for()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_browser_phone_and_theme(open_page: Any, scheme: str) -> None:
    """On a phone nothing is wider than the screen; the theme follows the system until the button changes it."""
    page = open_page(
        caught(nested),
        viewport={"width": 360, "height": 740},
        color_scheme=scheme,
        is_mobile=True,
        has_touch=True,
    )
    page.click("#open")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    back = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(back)
    assert (before == "rgb(255, 255, 255)") is (scheme == "light")
    page.click("#theme")
    assert page.evaluate(back) != before


@pytest.mark.timeout(60)
@pytest.mark.parametrize("attack", ATTACKS[:6])
def test_browser_hostile_texts(open_page: Any, attack: str) -> None:
    """A browser runs none of it."""
    page = open_page(hostile_exception(attack))
    page.click("#open")
    page.mouse.move(200, 300)
    assert page.evaluate("window.hacked") is None
    assert page.locator("script").count() == 1


@pytest.mark.timeout(60)
def test_browser_without_scripts(open_page: Any) -> None:
    """With scripts switched off it still opens and closes."""
    page = open_page(caught(nested), java_script_enabled=False)
    page.locator("details.frame[open] details.value > summary").first.click()
    assert page.locator("details.value[open]").count() == 1


def test_windows_paths_are_libraries_too() -> None:
    """Frames of installed packages are recognised on whatever system the dump was written."""
    from keeptrace.render.model import _LIBRARY

    for file in (
        "/usr/lib/python3.12/json/decoder.py",
        "/home/me/venv/lib/python3.13/site-packages/requests/api.py",
        "C:\\Python312\\Lib\\json\\decoder.py",
        "C:\\Users\\me\\AppData\\Local\\Programs\\Python\\Python312\\Lib\\site-packages\\x.py",
        "<frozen importlib._bootstrap>",
    ):
        assert _LIBRARY.search(file), file
    for file in (
        "/home/me/lib/python/tool.py",
        "/srv/app/main.py",
        "<stdin>",
        os.path.abspath(sys.argv[0] or "x"),
    ):
        assert not _LIBRARY.search(file) or "site-packages" in file or "/bin/" in file, file


def test_a_recursion_is_folded() -> None:
    """Of a thousand equal frames, also of two functions in turn, the page shows few, and says how many more."""

    def even(n: int) -> int:
        return odd(n - 1)

    def odd(n: int) -> int:
        return n // 0 if n < 0 else even(n)

    sys.setrecursionlimit(2_000)
    try:
        view = view_of(caught(lambda: downwards(1_000)))
        page = to_html(view, {})
        assert len(page) < 200_000 and re.search(r"<p class=\"cut\">99\d frames more", page)
        assert page.count('<details class="frame') < 10
        mutual = to_html(view_of(caught(lambda: even(500))), {})
        assert (
            mutual.count('<details class="frame') < 16
            and "frames more at the same places" in mutual
        )
    finally:
        sys.setrecursionlimit(1_000)


def downwards(n: int) -> int:
    return downwards(n - 1) if n else 1 // n


def test_where_to_look_first() -> None:
    """The root cause is open in the innermost frame of the user's code, named by a link; the text to copy is Python's."""

    def parse(text: str) -> Any:
        return json.loads(text)

    def load() -> None:
        try:
            parse("{")
        except ValueError as problem:
            raise LookupError("no settings") from problem

    exc = caught(load)
    view = view_of(exc)
    assert view.root_cause.type == "json.decoder.JSONDecodeError"
    assert view.first_frame is not None and view.first_frame.name == "parse"
    page = to_html(view, {})
    assert page.count('" open>') >= 1 and f'href="#frame{view.first_frame.number}"' in page
    assert re.findall(r'<details class="frame[^"]*" id="frame(\d+)" open>', page) == [
        str(view.first_frame.number)
    ]
    expected = "".join(traceback.format_exception(exc))
    assert _without_marks(traceback_text(view)) == _without_marks(expected)


def _without_marks(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip(" ^~")]


def beyond(levels: int) -> View:
    """The view of a traceback of which only three frames are kept."""

    def down(n: int) -> None:
        down(n - 1) if n else 1 / 0

    return view_of(caught(down, levels), limit=3)


def test_frames_beyond_the_limit() -> None:
    """Each view counts the frames that the options left out, where they were."""
    view = beyond(20)
    assert [frame.left_out for frame in view.root.frames] == [19, 0, 0, 0]
    for options in ({}, {"everything": True}, {"frame": 1}):
        assert "... 19 frames were not kept" in printed(view, **options)
    assert to_data(view, {})["exceptions"][0]["frames"][0] == {"number": 1, "left_out": 19}
    assert "[19 frames were not kept]\n" in traceback_text(view)
    assert "19 frames were not kept." in to_html(view, {})


def test_frames_that_are_text() -> None:
    """Without depth a dump has the traceback as text, and each view shows that."""
    view = view_of(caught(int, "seven"), depth=0)
    line = "ValueError: invalid literal for int() with base 10: 'seven'"
    assert view.root.text is not None and line in view.root.text
    assert "The frames were not kept; the traceback as text:" in printed(view)
    for text in (
        printed(view),
        traceback_text(view),
        to_html(view, {}),
        json.dumps(to_data(view, {})),
    ):
        assert "Traceback (most recent call last)" in text and "in caught" in text


def test_a_few_of_many_variables_and_lines() -> None:
    """A dozen variables are shown, those of the failing line first, and forty lines of a message; --all shows the rest."""

    def fail(last: int) -> None:
        a = b = c = d = e = f = g = h = i = j = k = m = n = o = 0
        raise ValueError("\n".join(f"line {at}" for at in range(50, 50 + 60 * (o + last))))

    view = view_of(caught(fail, 1))
    text = printed(view)
    assert "      o = 0" in text and "      last = 1" in text and "      m = 0" not in text
    assert "3 more: --frame 2 shows them" in text
    assert "line 89" in text and "line 90" not in text
    assert "... 20 more lines: --all shows them" in text
    assert "line 109" in printed(view, everything=True)
