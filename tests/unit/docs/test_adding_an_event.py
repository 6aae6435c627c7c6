"""docs/adding-an-event.md applies to the code as it is. Its integration test uses the result."""

import re
from pathlib import Path

import pytest

from tests.support.worked_example import ROOT, Block, NotApplicable, apply, blocks_of, copy_tree

PAGE = (ROOT / "docs" / "adding-an-event.md").read_text("utf-8")
BLOCKS = blocks_of(PAGE)


def test_the_page_applies_to_the_code(tmp_path: Path) -> None:
    tree = copy_tree(tmp_path)
    apply(BLOCKS, tree)
    assert "BookRelocated" in (tree / "schemas" / "events.py").read_text("utf-8")
    assert (tree / "schemas" / "avsc" / "InventoryRow.2.avsc").exists()


def test_the_page_names_its_number_of_files_and_lines() -> None:
    files = {block.path for block in BLOCKS if block.language == "diff"}
    lines = sum(block.written_lines for block in BLOCKS)
    (named,) = re.findall(r"(\d+)\s+files\s+and\s+(\d+)\s+lines", PAGE)
    assert named == (str(len(files)), str(lines))


@pytest.mark.parametrize(
    ("diff", "problem"),
    [
        ("a.txt\n one\n+two", None),
        ("a.txt\n-one\n+two\n@@\n two", None),
        ("new file b.txt\n+one", None),
        ("a.txt\n same\n+two", "2 times"),
        ("a.txt\n none\n+two", "0 times"),
        ("a.txt\n one\n none\n+two", "0 times"),
        ("new file a.txt\n+one", "exists already"),
    ],
)
def test_a_block_applies_only_where_its_lines_occur_once(
    tmp_path: Path, diff: str, problem: str | None
) -> None:
    (tmp_path / "a.txt").write_text("one\nsame\nsame\n")
    if problem is None:
        apply([Block("diff", diff)], tmp_path)
    else:
        with pytest.raises(NotApplicable, match=problem):
            apply([Block("diff", diff)], tmp_path)


def test_an_applied_block_changes_only_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\nsame\nsame\n")
    apply([Block("diff", "a.txt\n one\n+two\n@@\n-one\n-two\n+1\n+2\n\n same")], tmp_path)
    assert (tmp_path / "a.txt").read_text() == "1\n2\n\nsame\nsame\n"
