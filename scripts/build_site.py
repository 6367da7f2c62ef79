"""Build the docs into ``site/``, and fail when anything in it leads nowhere: ``make docs``.

Zensical builds and checks the links between pages; then links to files of the repository outside of docs/ are
led to the repository (``DOCS_REPOSITORY_URL``, ``https://host/owner/name``), or become plain text when it is
not told; then ``check_site.py`` looks at the whole.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SITE = ROOT / "site"
LINK = re.compile(
    r'<a href="(?P<link>[^":#]+)(?P<anchor>#[^"]*)?"(?P<more>[^>]*)>(?P<text>.*?)</a>', re.DOTALL
)
EDIT = re.compile(r'<a [^>]*rel="edit"[^>]*>.*?</a>', re.DOTALL)
"""The button to edit a page, which leads nowhere without a repository."""

sys.path.insert(0, str(ROOT / "scripts"))
from check_site import problems, target_of  # noqa: E402  (a script beside this one)


def build(repository: str) -> int:
    """Run Zensical; what it prints is what it has to say."""
    told = {"DOCS_REPOSITORY_URL": repository, "DOCS_EDIT_URI": "edit/main/docs/"} if repository else {}
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | told, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr)
        print(said.partition("Traceback")[0])
    return done.returncode


def with_outside_links(text: str, page: Path, site: Path, root: Path, repository: str) -> str:
    """A page whose links to files outside of the site lead to the repository, or are text.

    The site lies beside docs/, so a link that leaves one leaves the other to the same file.
    """

    def led(match: re.Match[str]) -> str:
        target = target_of(site, page, match["link"])
        if target is None or target.is_relative_to(site):
            return match[0]
        if not target.is_relative_to(root) or not target.exists():
            return match[0]  # check_site will name it
        if not repository:
            return match["text"]
        path = target.relative_to(root).as_posix()
        address = f"{repository}/blob/main/{path}{match['anchor'] or ''}"
        return f'<a href="{address}"{match["more"]}>{match["text"]}</a>'

    return LINK.sub(led, text if repository else EDIT.sub("", text))


def main() -> int:
    repository = os.environ.get("DOCS_REPOSITORY_URL", "").rstrip("/")
    if build(repository) != 0:
        return 1
    for page in sorted(SITE.rglob("*.html")):
        page.write_text(with_outside_links(page.read_text(), page, SITE, ROOT, repository))
    found = problems(SITE)
    print("\n".join(found) or f"{len(list(SITE.rglob('*.html')))} pages of the site hold together")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
