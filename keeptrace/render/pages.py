"""HTML pages from the package's templates. Each page contains its style and its script.

The page's security policy has the hashes of both, so a browser runs and applies nothing else.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from importlib import resources
from typing import TYPE_CHECKING

from ..core.errors import missing_extra

if TYPE_CHECKING:
    from jinja2 import Template


class PageTemplate:
    """A compiled template with its style and script."""

    def __init__(self, template: Template, style: str, script: str) -> None:
        self._template = template
        self._fixed = {
            "style": _Trusted(style),
            "script": _Trusted(script),
            "style_hash": _hash(style),
            "script_hash": _hash(script),
        }

    def render(self, **values: object) -> str:
        """The page with the values. The template escapes the values."""
        page: str = self._template.render(**self._fixed, **values)
        return page


class _Trusted:
    """A file of the package, left unescaped by the template."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __html__(self) -> str:
        return self._text


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


@functools.cache
def page_template(what: str, page: str, styles: tuple[str, ...], script: str) -> PageTemplate:
    """The template `page` with its styles and its script, by the names of the files.

    what: the feature to name in the MissingExtraError, raised without jinja2.
    """
    try:
        import jinja2
    except ImportError:
        raise missing_extra(what, "jinja2", "html") from None
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_file(page))
    return PageTemplate(template, "".join(map(_file, styles)), _file(script))


def _file(name: str) -> str:
    return resources.files(__package__).joinpath("templates", name).read_text("utf-8")
