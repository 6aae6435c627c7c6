"""Headers of an event's record: CloudEvents in binary mode, and the command it came from.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache

Headers = list[tuple[str, bytes]]

COMMAND_ID = "command_id"
DIGEST = "command_digest"
ACTOR = "actor"
CARRIED = {
    ACTOR: "Who did it: a person, a desk or a program; absent where nobody said it.",
    "traceparent": "W3C Trace Context; one that can't be parsed is ignored.",
    "causation_id": "Id of the command's cause.",
    "correlation_id": "Id of the task that the command belongs to.",
    "client_time": "The caller's clock, RFC 3339 with an offset.",
}
"""Headers that a caller may send with a command, with their meanings. Each of its events carries them."""


def event_headers(
    domain: str, command_id: str, digest: str, index: int, kind: str, at: int, carried: Mapping[str, str]
) -> Headers:
    """Headers of event ``index`` (from 0) of a command, of type ``kind``, written at ``at`` (ms).

    ``domain`` is the name of the domain's events, for example ``library.inventory``.
    """
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", f"{command_id}/{index}".encode()),
        ("ce_type", f"{domain}.{kind}".encode()),
        ("ce_source", _source(domain)),
        ("ce_time", _time(at)),
        ("content-type", b"application/avro"),
        (COMMAND_ID, command_id.encode()),
        (DIGEST, digest.encode()),
    ]
    for name, value in carried.items():
        headers.append((name, value.encode()))
    return headers


@lru_cache(maxsize=16)
def _source(domain: str) -> bytes:
    """CloudEvents' source, a URI reference: ``/library/inventory``."""
    return f"/{domain.replace('.', '/')}".encode()


# The events of a transaction share their time
@lru_cache(maxsize=16)
def _time(at: int) -> bytes:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").encode()


def read_headers(headers: Sequence[tuple[str, bytes | None]] | None) -> dict[str, str]:
    """Record headers as text. Of a repeated name the last value counts."""
    return {name: value.decode(errors="replace") for name, value in headers or () if value is not None}
