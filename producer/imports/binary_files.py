"""Files that are no text, recognised by their first bytes: the error names the way to a text."""

from pathlib import Path

_KINDS = {
    b"PK\x03\x04": "a zip file, as Excel and LibreOffice write their workbooks: save it as CSV",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "a workbook of an old Excel: save it as CSV",
    b"%PDF-": "a PDF: import the CSV or JSON lines that it was made from",
    b"\x1f\x8b": "compressed: `gunzip -c FILE | library import -` imports it",
    b"BZh91AY&SY": "compressed: `bunzip2 -c FILE | library import -` imports it",
    b"\xfd7zXZ\x00": "compressed: `xz -dc FILE | library import -` imports it",
    b"\x28\xb5\x2f\xfd": "compressed: `zstd -dc FILE | library import -` imports it",
}
_LONGEST = max(map(len, _KINDS))


def binary_kind(path: Path) -> str | None:
    """How a file that is no text can be imported all the same; None for a text. Raises OSError."""
    with path.open("rb") as file:
        beginning = file.read(_LONGEST)
    return next((kind for magic, kind in _KINDS.items() if beginning.startswith(magic)), None)
