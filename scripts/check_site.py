"""What the built site must hold beside what Zensical's strict mode checks (links and anchors between pages).

Every relative link, picture, script and style of every page leads to a file of the site, and every anchor to
an id in it; nothing is fetched from elsewhere to show a page; every page is in the navigation; and every
public name has its place in the reference. ``scripts/build_site.py`` calls it.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
API = "reference/python-api/index.html"
FETCHED = {("link", "href"), ("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src")}
NOT_FETCHED = {"canonical", "edit", "prev", "next", "alternate"}
"""``link`` elements by ``rel`` that a browser does not load."""


class Page(HTMLParser):
    """The links, ids and classes of one built page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.ids: set[str] = set()
        self.classes: set[str] = set()
        self.navigation: set[str] = set()
        self._inside_nav = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids |= {values[key] for key in ("id", "name") if key in values}
        self.classes |= set(values.get("class", "").split())
        self._inside_nav += tag == "nav"
        for name in ("href", "src"):
            if name in values:
                self.links.append(values[name])
                if (tag, name) in FETCHED and values.get("rel") not in NOT_FETCHED:
                    self.loaded.append(values[name])
                if tag == "a" and self._inside_nav:
                    self.navigation.add(values[name])

    def handle_endtag(self, tag: str) -> None:
        self._inside_nav -= tag == "nav"


def target_of(site: Path, page: Path, link: str) -> Path | None:
    """The file of the site that a link means, or None when it leaves the site."""
    path = unquote(urldefrag(link).url).partition("?")[0]
    if re.match(r"[a-z][a-z0-9+.-]*:|//", path):
        return None
    start = site if path.startswith("/") else page.parent
    target = (start / path.lstrip("/")).resolve() if path else page
    return target / "index.html" if target.is_dir() else target


def problems(site: Path) -> list[str]:
    site = site.resolve()
    pages = {path: Page(path.read_text()) for path in sorted(site.rglob("*.html"))}
    found: list[str] = []
    for path, page in pages.items():
        where = path.relative_to(site).as_posix()
        if where != "404.html":  # its links are meant from wherever it is shown
            found += [f"{where}: {said}" for said in _links(site, path, page, pages)]
        found += [f"{where}: loads {link} from elsewhere" for link in page.loaded if "//" in link]
        if "mermaid" in page.classes:
            found.append(f"{where}: a mermaid picture, whose script would be loaded from elsewhere")
    return found + _not_in_navigation(site, pages) + _names_without_place(site, pages)


def _links(site: Path, path: Path, page: Page, pages: dict[Path, Page]) -> list[str]:
    found = []
    for link in dict.fromkeys(page.links):
        target = target_of(site, path, link)
        if target is None:
            continue
        if not target.exists() or not target.is_relative_to(site):
            found.append(f"{link}: no such file in the site")
            continue
        anchor = unquote(urldefrag(link).fragment)
        if anchor and target in pages and anchor not in pages[target].ids:
            found.append(f"{link}: no such place on that page")
    return found


def _not_in_navigation(site: Path, pages: dict[Path, Page]) -> list[str]:
    """Pages of docs/ that the navigation of the first page does not lead to."""
    home = site / "index.html"
    reached = {target_of(site, home, link) for link in pages[home].navigation} | {home, site / "404.html"}
    return [
        f"{page.relative_to(site).as_posix()}: not in the navigation (nav of mkdocs.yml)"
        for page in pages
        if page not in reached
    ]


def _names_without_place(site: Path, pages: dict[Path, Page]) -> list[str]:
    """Public names that the reference has no heading for; options have theirs in the configuration page."""
    names = re.findall(
        r"^(?:class )?opentelemetry\.exporter\.posthog(?:\.testing)?\.([\w.]+)|^ExporterOptions\.(\w+)",
        (DOCS / "reference/public-api.txt").read_text(),
        re.MULTILINE,
    )
    ids = pages[site / API].ids | pages[site / "reference/configuration/index.html"].ids
    missing = dict.fromkeys(name or option for name, option in names if slug(name or option) not in ids)
    return [f"{name}: a public name without a place in the reference" for name in missing]


def slug(name: str) -> str:
    """The id of a heading that is this name."""
    return re.sub(r"[^\w-]", "", name).lower()
