"""Record keys of the event store: ``<stream>/<version>``, unique for every event."""

import re

_KEY = re.compile(rb"(.+)/([1-9]\d{0,18})", re.DOTALL)


class BadKey(ValueError):
    """A record key that names no stream and version."""


def event_key(stream: str, version: int) -> bytes:
    """The key of the event that makes version ``version`` of the stream."""
    return f"{stream}/{version}".encode()


def parse_event_key(key: bytes | None) -> tuple[str, int]:
    """Stream and version of an event's key. Raises BadKey."""
    match = _KEY.fullmatch(key or b"")
    if match is None:
        raise BadKey(f"key {key!r} is not <stream>/<version>")
    try:
        return match[1].decode(), int(match[2])
    except UnicodeDecodeError as error:
        raise BadKey(f"key {key!r} is not <stream>/<version> in UTF-8") from error
