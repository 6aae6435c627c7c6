"""Record keys of the event store: ``<isbn13>/<version>``, unique for every event."""


class BadKey(ValueError):
    """A record key that names no title and version."""


def event_key(isbn: str, version: int) -> bytes:
    """The key of the event that makes version ``version`` of the title."""
    return f"{isbn}/{version}".encode()


def parse_event_key(key: bytes | None) -> tuple[str, int]:
    """Title and version of an event's key. Raises BadKey."""
    if key is not None:
        isbn, slash, version = key.partition(b"/")
        if len(isbn) == 13 and isbn.isdigit() and slash and version.isdigit() and version[:1] != b"0":
            return isbn.decode(), int(version)
    raise BadKey(f"key {key!r} is not <13 digits>/<version>")
