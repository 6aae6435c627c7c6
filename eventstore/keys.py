"""Record keys of the event store: ``<stream>/<version>``, unique for every event."""

MAX_VERSION_DIGITS = 19
_ZERO = ord("0")
SMALL_VERSIONS = {str(version).encode(): version for version in range(1, 1_000)}
"""By their digits in a key: most versions, which need no further checks."""


class BadKey(ValueError):
    """A record key that names no stream and version."""


def event_key(stream: str, version: int) -> bytes:
    """The key of the event that makes version ``version`` of the stream."""
    return f"{stream}/{version}".encode()


def parse_event_key(key: bytes | None) -> tuple[str, int]:
    """Stream and version of an event's key. Raises BadKey."""
    stream, _, digits = (key or b"").rpartition(b"/")
    if (version := SMALL_VERSIONS.get(digits)) is None:
        if not digits.isdigit() or digits[0] == _ZERO or len(digits) > MAX_VERSION_DIGITS:
            raise BadKey(f"key {key!r} is not <stream>/<version>")
        version = int(digits)
    if not stream:
        raise BadKey(f"key {key!r} is not <stream>/<version>")
    try:
        return stream.decode(), version
    except UnicodeDecodeError as error:
        raise BadKey(f"key {key!r} is not <stream>/<version> in UTF-8") from error
