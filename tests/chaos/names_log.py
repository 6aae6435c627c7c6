"""The records of ``library.names`` as plain values, and the events with user ids in place of tokens."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeAlias

from confluent_kafka import Message
from msgspec import Struct
from msgspec.structs import replace

from schemas.codec import decode
from schemas.patrons import ROLL_KEY
from tests.chaos.checker import Logged

Kind: TypeAlias = Literal["open", "closing", "waiting", "erased", "forgotten"]
"""``waiting``: closing until the last return. ``erased``: the tombstone. ``forgotten``: what says when."""


class NameRecord(Struct, frozen=True):
    """One record; ``time`` (ms) is that of the borrower's erasure for one that says when."""

    offset: int
    time: int
    token: str
    kind: Kind
    user_id: str = ""


def name_records(messages: Iterable[Message]) -> list[NameRecord]:
    """Decode the committed records of the topic, in order."""
    return [_record(message) for message in messages if message.key() != ROLL_KEY]


def _record(message: Message) -> NameRecord:
    token, mark, _ = (message.key() or b"").decode().partition("!")
    offset, time = message.offset() or 0, message.timestamp()[1]
    value = message.value()
    if value is None:
        return NameRecord(offset, time, token, "erased")
    name = decode(value)
    if mark:
        return NameRecord(offset, name.forgotten_at, token, "forgotten")
    kind: Kind = "open" if not name.closing else "waiting" if name.when_returned else "closing"
    return NameRecord(offset, time, token, kind, name.user_id)


def users_of(records: Iterable[NameRecord]) -> dict[str, str]:
    """Every user id that a token has ever meant."""
    return {record.token: record.user_id for record in records if record.user_id}


def named(log: Iterable[Logged], users: Mapping[str, str]) -> list[Logged]:
    """The events with user ids, as commands have them; an event's ``patron`` has the token."""
    return [_named(event, users) for event in log]


def _named(logged: Logged, users: Mapping[str, str]) -> Logged:
    token = logged.event.get("user_id")
    if token is None:
        return logged
    return replace(logged, event=logged.event | {"user_id": users.get(token, token)}, patron=token)


def lives(records: Sequence[NameRecord]) -> dict[str, list[NameRecord]]:
    """The records of each token, in order."""
    found: dict[str, list[NameRecord]] = {}
    for record in records:
        found.setdefault(record.token, []).append(record)
    return found
