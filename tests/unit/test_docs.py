"""The documentation has one index, its links lead somewhere, and the changelog has its form."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/**/*.md")]
)
LARGEST_IMAGE_BYTES = 200_000
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def links(page: Path) -> list[str]:
    return [
        link for link in LINK.findall(page.read_text("utf-8")) if not link.startswith(("http:", "https:"))
    ]


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as code hosts make them."""
    titles = HEADING.findall(page.read_text("utf-8"))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_picture_is_small_and_used():
    text = "".join(page.read_text("utf-8") for page in PAGES)
    for image in (ROOT / "docs" / "images").iterdir():
        assert image.stat().st_size < LARGEST_IMAGE_BYTES, image.name
        assert f"images/{image.name})" in text, image.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file_and_heading(page: Path):
    for link in links(page):
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{link} does not exist"
        if anchor:
            assert anchor in anchors(target), f"{link}: no such heading"


def test_the_index_lists_every_page_and_the_readme_links_to_it():
    index = ROOT / "docs" / "README.md"
    listed = {(index.parent / link.partition("#")[0]).resolve() for link in links(index)}
    assert {page for page in (ROOT / "docs").glob("*.md") if page != index} <= listed
    assert "docs/README.md" in links(ROOT / "README.md")


def test_each_section_of_the_changelog_has_each_heading_once():
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    for section in text.split("\n## ")[1:]:
        headings = re.findall(r"^### (\w+)$", section, re.MULTILINE)
        assert headings == [name for name in ("Added", "Changed", "Removed", "Fixed") if name in headings]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_has_lines_of_at_most_110_characters(page: Path):
    code = False
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        if line.lstrip().startswith("```"):
            code = not code
        # Tables and code can't be wrapped
        if not code and not line.startswith("    ") and not line.lstrip().startswith("|"):
            assert len(line) <= 110, f"line {number} has {len(line)} characters"
