"""Headers of an event's record: CloudEvents in binary mode, and the command it came from.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

Headers = list[tuple[str, bytes]]

SOURCE = "/library/inventory"
COMMAND_ID = "command_id"
DIGEST = "command_digest"
CARRIED = ("traceparent", "causation_id", "correlation_id", "client_time")
"""Headers that a caller may hand over with a command; each of its events carries them."""


def event_headers(
    command_id: str, digest: str, index: int, kind: str, at: int, carried: Mapping[str, str]
) -> Headers:
    """Headers of event ``index`` (from 0) of a command, of type ``kind``, written at ``at`` (ms)."""
    headers = {
        "ce_specversion": "1.0",
        "ce_id": f"{command_id}/{index}",
        "ce_type": f"library.inventory.{kind}",
        "ce_source": SOURCE,
        "ce_time": datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds"),
        "content-type": "application/avro",
        COMMAND_ID: command_id,
        DIGEST: digest,
        **carried,
    }
    return [(name, value.encode()) for name, value in headers.items()]


def read_headers(headers: Sequence[tuple[str, bytes | None]] | None) -> dict[str, str]:
    """Record headers as text; a name that stands twice keeps its last value."""
    return {name: value.decode(errors="replace") for name, value in headers or () if value is not None}
