"""docs/operations.md names what there is: every metric, and no other."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ("projector/metrics.py", "producer/gateway_metrics.py", "query_api/metrics.py")
SUFFIX = "_total"


def test_every_metric_is_on_the_page():
    text = "".join((ROOT / source).read_text("utf-8") for source in SOURCES)
    there = set(re.findall(r'"(library_[a-z_]+)"', text))
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    table = page.partition("| metric |")[2].partition("\n\n")[0]
    named = {name.removesuffix(SUFFIX) for name in re.findall(r"`(library_[a-z_]+)`", table)}
    assert named == there


def test_every_setting_on_the_page_exists():
    from schemas.settings import Settings

    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    named = {name.lower() for name in re.findall(r"\bLIBRARY_([A-Z_]+)\b", page)}
    assert named <= set(Settings.__struct_fields__)
