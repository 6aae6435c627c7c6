"""The files of the page, as they are sent: with their types, compressed, and with entity tags."""

import gzip
from html import escape
from pathlib import Path
from typing import NamedTuple

from foundation.http.responses import etag_of

FOLDER = Path(__file__).parents[1] / "page"
PREFIX = "/page/"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
"""Types of the files that are sent; other files stay in the folder."""


class PageFile(NamedTuple):
    """A file: its two representations and their entity tags."""

    media_type: str
    plain: bytes
    plain_etag: str
    compressed: bytes
    compressed_etag: str


def page_files(folder: Path = FOLDER) -> tuple[PageFile, dict[str, PageFile]]:
    """``index.html``, and all other files of ``folder`` by their URL path."""
    contents = {
        f"{PREFIX}{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in _TYPES
    }
    index = contents.pop(f"{PREFIX}index.html").decode()
    for placeholder, tags in (
        ("<!-- styles -->", _styles(contents)),
        ("<!-- modules -->", _modules(contents)),
    ):
        index = index.replace(placeholder, tags)
    return _page_file(".html", index.encode()), {
        path: _page_file(Path(path).suffix, content) for path, content in contents.items()
    }


def _styles(paths: dict[str, bytes]) -> str:
    """A link for each style sheet, first those that the others build on."""
    sheets = [path for path in paths if path.endswith(".css")]
    first = [f"{PREFIX}styles/{name}.css" for name in ("tokens", "base")]
    ordered = [*first, *(path for path in sheets if path not in first)]
    return "\n".join(f'<link rel="stylesheet" href="{escape(path)}">' for path in ordered)


def _modules(paths: dict[str, bytes]) -> str:
    """Hints to load all modules at once, instead of one level of imports after another."""
    others = (f"{PREFIX}theme.js", f"{PREFIX}vendor/uplot.js")
    modules = [path for path in paths if path.endswith(".js") and path not in others]
    return "\n".join(f'<link rel="modulepreload" href="{escape(path)}">' for path in modules)


def _page_file(suffix: str, content: bytes) -> PageFile:
    compressed = gzip.compress(content, mtime=0)
    return PageFile(_TYPES[suffix], content, etag_of(content), compressed, etag_of(compressed))
