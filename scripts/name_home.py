"""Write the repository's address into the package's metadata and into the links of its page on the index.

Only the place that publishes knows the address, so the release workflow runs this before it builds; the index
shows README.md without the files beside it. Arguments: the address, the tag, and the folder (default: here).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

RELATIVE = re.compile(r"(?<=\]\()(?!https?:|#)(?=[\w./])")
"""Before the target of a Markdown link or picture to a file of the repository."""


def urls(home: str, tag: str) -> str:
    return f"""
[project.urls]
Repository = "{home}"
Documentation = "{home}/blob/{tag}/docs/README.md"
Changelog = "{home}/blob/{tag}/CHANGELOG.md"
Issues = "{home}/issues"
"""


def absolute(page: str, home: str, tag: str) -> str:
    """The page with links that work anywhere; pictures need the raw file."""
    page = re.sub(r"(!\[[^\]]*\]\()(?!https?:)", rf"\g<1>{home}/raw/{tag}/", page)
    return RELATIVE.sub(f"{home}/blob/{tag}/", page)


def main(home: str, tag: str, folder: Path) -> None:
    project, readme = folder / "pyproject.toml", folder / "README.md"
    if "[project.urls]" in project.read_text():
        raise SystemExit("pyproject.toml names a home already")
    project.write_text(project.read_text() + urls(home, tag))
    readme.write_text(absolute(readme.read_text(), home, tag))


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"), sys.argv[2], Path(sys.argv[3] if len(sys.argv) > 3 else "."))
