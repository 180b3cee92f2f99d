"""What pyproject.toml cannot say: the README and the links of the package on the index.

README.md has relative links, which lead nowhere on a package index. Here they become links into the
repository, at the tag of this version. The repository's address is KEEPTRACE_REPOSITORY, which the
release workflow sets; without that variable a link becomes its text. Either way the page on the
index has no broken link.
"""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = os.environ.get("KEEPTRACE_REPOSITORY", "").rstrip("/")
# [text](target), where the target is neither an address nor an anchor of the page itself
RELATIVE_LINK = re.compile(r"\[([^\]]+)\]\((?![a-z]+:|#)([^)\s]+)\)")


def version() -> str:
    """`__version__` as it stands in the package, without importing the package."""
    for statement in ast.parse(
        (HERE / "keeptrace" / "__init__.py").read_text(encoding="utf-8")
    ).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__version__":
            return str(ast.literal_eval(statement.value))
    raise LookupError("keeptrace/__init__.py has no __version__")


def readme() -> str:
    """README.md with links that hold outside the repository."""
    text = (HERE / "README.md").read_text(encoding="utf-8")
    if not REPOSITORY:
        return RELATIVE_LINK.sub(r"\1", text)
    return RELATIVE_LINK.sub(rf"[\1]({REPOSITORY}/blob/v{version()}/\2)", text)


def urls() -> dict[str, str]:
    """The project's links, where the repository is known."""
    if not REPOSITORY:
        return {}
    return {
        "Homepage": REPOSITORY,
        "Source": REPOSITORY,
        "Documentation": f"{REPOSITORY}/tree/v{version()}/docs",
        "Issues": f"{REPOSITORY}/issues",
        "Changelog": f"{REPOSITORY}/blob/v{version()}/CHANGELOG.md",
    }


if (
    __name__ == "__main__"
):  # so do the build tools run this file; the tests read it without setuptools
    from setuptools import setup

    setup(
        long_description=readme(),
        long_description_content_type="text/markdown",
        project_urls=urls(),
    )
