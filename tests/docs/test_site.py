"""The site's own checks find what they are for; `make docs` runs them on the real site."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.docs.blocks import ROOT


@pytest.fixture(scope="module")
def check() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts/check_site.py"))


@pytest.fixture
def site(tmp_path: Path, check: dict[str, Any]) -> Path:
    """A site of three pages in which everything has its place."""
    names = [name.split("(")[0].split(":")[0] for name in announced()]
    headings = "".join(f'<h3 id="{check["slug"](name)}"></h3>' for name in names)
    put(
        tmp_path,
        "index.html",
        '<nav><a href="reference/python-api/">API</a><a href="reference/configuration/">C</a></nav>',
    )
    put(tmp_path, "reference/python-api/index.html", headings)
    put(tmp_path, "reference/configuration/index.html", headings)
    return tmp_path


def announced() -> list[str]:
    lines = (ROOT / "docs/reference/public-api.txt").read_text().splitlines()
    prefixes = ("class ", "opentelemetry.exporter.posthog.", "testing.", "ExporterOptions.")
    for prefix in prefixes:
        lines = [line.removeprefix(prefix) for line in lines]
    return lines


def put(site: Path, name: str, text: str) -> None:
    (site / name).parent.mkdir(parents=True, exist_ok=True)
    (site / name).write_text(text)


def add(site: Path, text: str) -> None:
    put(site, "index.html", (site / "index.html").read_text() + text)


def test_a_site_in_which_everything_leads_somewhere_has_no_problems(
    site: Path, check: dict[str, Any]
) -> None:
    add(site, '<h1 id="top"></h1><a href="#top">up</a><a href="https://posthog.com/nowhere">out</a>')

    assert check["problems"](site) == []


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        pytest.param('<a href="nope/">a</a>', "nope/: no such file", id="a link to no page"),
        pytest.param('<img src="nope.png">', "nope.png: no such file", id="a picture that is not there"),
        pytest.param('<a href="../../etc/passwd">a</a>', "no such file", id="a link out of the site"),
        pytest.param('<a href="#nope">a</a>', "#nope: no such place", id="an anchor of the same page"),
        pytest.param(
            '<a href="reference/configuration/#nope">a</a>', "no such place", id="an anchor of another page"
        ),
        pytest.param(
            '<script src="https://cdn.example/x.js"></script>', "from elsewhere", id="a script of a CDN"
        ),
        pytest.param(
            '<link rel="stylesheet" href="//fonts.example/x">', "from elsewhere", id="a font of a CDN"
        ),
        pytest.param('<pre class="mermaid"></pre>', "mermaid", id="a picture drawn by a script of a CDN"),
    ],
)
def test_what_leads_nowhere_or_is_fetched_from_elsewhere_is_found(
    site: Path, check: dict[str, Any], planted: str, said: str
) -> None:
    add(site, planted)

    (problem,) = check["problems"](site)
    assert said in problem


def test_a_page_without_a_place_in_the_navigation_is_found(site: Path, check: dict[str, Any]) -> None:
    put(site, "how-to/new/index.html", "")

    assert check["problems"](site) == ["how-to/new/index.html: not in the navigation (nav of mkdocs.yml)"]


def test_a_public_name_without_a_place_in_the_reference_is_found(site: Path, check: dict[str, Any]) -> None:
    page = site / "reference/python-api/index.html"
    page.write_text(page.read_text().replace('id="posthogspanexporterexport"', ""))
    other = site / "reference/configuration/index.html"
    other.write_text("")

    found = check["problems"](site)
    assert "PostHogSpanExporter.export: a public name without a place in the reference" in found


@pytest.fixture(scope="module")
def building() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts/build_site.py"))


def test_a_link_to_a_file_outside_of_the_docs_leads_to_the_repository_or_is_text(
    tmp_path: Path, building: dict[str, Any]
) -> None:
    docs, page = tmp_path / "docs", tmp_path / "docs/how-to/x.md"
    put(tmp_path, "SECURITY.md", "")
    put(docs, "how-to/x.md", "")
    outside, inside, nowhere = "[S](../../SECURITY.md#report)", "[x](x.md)", "[n](../../NOWHERE.md)"
    led = building["with_outside_links"]

    assert led(inside + outside, page, docs, "") == inside + "S"
    assert led(nowhere, page, docs, "") == nowhere, "Zensical names it"
    assert led(inside + outside, page, docs, "https://git.example/o/r") == (
        inside + "[S](https://git.example/o/r/blob/main/SECURITY.md#report)"
    )


def test_the_button_to_edit_a_page_is_what_a_site_without_a_repository_goes_without(
    building: dict[str, Any],
) -> None:
    button = '<a href="//how-to/x.md" title="Edit this page" rel="edit"><svg></svg></a>'

    assert building["EDIT"].sub("", f"a{button}b") == "ab"


def test_every_page_of_the_docs_has_its_place_in_the_navigation() -> None:
    """`make docs` finds it too, later."""
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text().replace("!ENV ", ""))["nav"]
    placed = set(leaves(nav))

    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert pages - placed == set()
    assert placed - pages == set()


def leaves(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    inner = nav.values() if isinstance(nav, dict) else nav
    return [leaf for part in inner for leaf in leaves(part)]
