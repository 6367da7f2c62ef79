"""Build the docs into ``site/``, and fail when anything in it leads nowhere: ``make docs``.

A copy of docs/ is built, in which links to files of the repository outside of docs/ lead to the repository
(``DOCS_REPOSITORY_URL``, ``https://host/owner/name``), or are plain text when it is not told. Zensical checks
the links between pages; then ``check_site.py`` looks at the whole.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SITE = ROOT / "site"
LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<link>[^)\s:#]+)(?P<anchor>#[^)\s]*)?\)")
EDIT = re.compile(r'<a [^>]*rel="edit"[^>]*>.*?</a>', re.DOTALL)
"""The button to edit a page, which leads nowhere without a repository."""

sys.path.insert(0, str(ROOT / "scripts"))
from check_site import problems  # noqa: E402  (a script beside this one)


def with_outside_links(text: str, page: Path, docs: Path, repository: str) -> str:
    """A page of ``docs`` whose links to files beside that folder lead to the repository, or are text."""

    def led(match: re.Match[str]) -> str:
        target = (page.parent / match["link"]).resolve()
        if target.is_relative_to(docs) or not target.is_relative_to(docs.parent) or not target.exists():
            return match[0]  # what does not exist is found later
        if not repository:
            return match["text"]
        kind = "tree" if target.is_dir() else "blob"
        path = target.relative_to(docs.parent).as_posix()
        return f"[{match['text']}]({repository}/{kind}/main/{path}{match['anchor'] or ''})"

    return LINK.sub(led, text)


def copy_of_docs(folder: Path, repository: str) -> None:
    """All that Zensical needs, in ``folder``; lines keep their numbers."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder / "docs")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    for page in sorted((ROOT / "docs").rglob("*.md")):
        copied = folder / page.relative_to(ROOT)
        copied.write_text(with_outside_links(page.read_text(), page, ROOT / "docs", repository))


def build(folder: Path, repository: str) -> int:
    """Run Zensical there; what it prints is what it has to say."""
    told = {"DOCS_REPOSITORY_URL": repository, "DOCS_EDIT_URI": "edit/main/docs/"} if repository else {}
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "--clean"],
        cwd=folder, env=os.environ | told, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        said = re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr)
        print(said.partition("Traceback")[0])
    elif not repository:
        for page in (folder / "site").rglob("*.html"):
            page.write_text(EDIT.sub("", page.read_text()))
    return done.returncode


def main() -> int:
    repository = os.environ.get("DOCS_REPOSITORY_URL", "").rstrip("/")
    folder = ROOT / "build/docs"
    copy_of_docs(folder, repository)
    if build(folder, repository) != 0:
        return 1
    shutil.rmtree(SITE, ignore_errors=True)
    shutil.move(folder / "site", SITE)
    found = problems(SITE)
    print("\n".join(found) or f"{len(list(SITE.rglob('*.html')))} pages of the site hold together")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
