"""A batch of commands, decided in order on one state. Pure, except that it reads the state."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from eventstore.append.fence import Record
from eventstore.append.signing import RecordSigner
from eventstore.decider import Decider, Rejection
from eventstore.headers import ACTOR, event_headers
from eventstore.keys import event_key
from eventstore.positions import Position
from eventstore.state.outcomes import (
    Accepted,
    Appended,
    Outcome,
    OutcomeUnknown,
    Receipt,
    Refused,
    Reused,
    Submitted,
    Unwritable,
    digest,
)
from eventstore.state.write_state import AcceptedCommand, LastEvent, StreamState, WriteState
from evidence.leaf import record_hash

EXPIRED = OutcomeUnknown("the command came too late: whoever sent it has turned to another writer")


class Decided(NamedTuple):
    """The result of a batch, provided that its records get the offsets from ``state.next`` on.

    ``needs_proof``: an answer rests on the state alone, and the state must be shown to be the newest.
    """

    outcomes: list[Outcome]
    records: list[Record]
    streams: dict[str, StreamState]
    accepted: dict[str, tuple[AcceptedCommand, ...]]
    last: LastEvent | None
    last_leaf: bytes
    """Of the last record; empty without one, or where nothing is signed."""
    needs_proof: bool


def decide_batch(
    decider: Decider[Any, Any, Any],
    state: WriteState,
    partition: int,
    submitted: Sequence[Submitted],
    now: int,
    tried: Collection[str] = (),
    signing: tuple[RecordSigner, bytes] | None = None,
) -> Decided:
    """Decide each command on the result of those before it, at time ``now`` (ms), or at the state's if later.

    A command with an id in ``tried`` is not a repeat: this is its first answer. ``signing`` has the
    signer of the records, and the leaf of the partition's last event. Raises ClaimLost.
    """
    streams = filter(decider.events.is_stream, (decider.stream(one.command) for one in submitted))
    state.prepare(streams, (one.command_id for one in submitted))
    batch = _Batch(decider, state, partition, now, tried)
    outcomes, last_leaf = [batch.decide(one) for one in submitted], b""
    if signing is not None and batch.records:
        last_leaf = batch.sign(*signing, outcomes)
    return Decided(
        outcomes, batch.records, batch.streams, batch.accepted, batch.last(), last_leaf, batch.needs_proof
    )


class _Batch:
    def __init__(
        self,
        decider: Decider[Any, Any, Any],
        state: WriteState,
        partition: int,
        now: int,
        tried: Collection[str],
    ) -> None:
        self.decider, self.state, self.partition, self.tried = decider, state, partition, tried
        self.now, self.at = now, max(now, state.time)
        self.records: list[Record] = []
        self.leaves: dict[int, bytes] = {}
        """Those that receipts have, by the index of the record."""
        self.streams: dict[str, StreamState] = {}
        self.accepted: dict[str, tuple[AcceptedCommand, ...]] = {}
        self.last_id = ""
        self.needs_proof = False

    def decide(self, one: Submitted) -> Outcome:
        command_id, stream = one.command_id, self.decider.stream(one.command)
        if not self.decider.events.is_stream(stream):
            # A record with such a key would stop the partition
            return Refused(Rejection("bad_stream", f"{stream[:40]!r} names no stream of this store"))
        same_id = self.accepted.get(command_id) or self.state.accepted(command_id)
        earlier = next((command for command in same_id if command.stream == stream), None)
        fingerprint = digest(one.command)
        if earlier is not None:
            if earlier.digest != fingerprint:
                return Reused(command_id)
            return Accepted(earlier.receipt(command_id, self.partition), command_id not in self.tried)
        if one.expires_at_ms is not None and self.now >= one.expires_at_ms:
            return EXPIRED
        current = self.streams.get(stream) or self.state.stream(stream)
        if trouble := self.state.trouble or current.trouble:
            return Unwritable(trouble)
        decision = self.decider.decide(current.state, one.command, self.at)
        if isinstance(decision, Rejection):
            self.needs_proof = True
            return Refused(decision)
        if not decision:
            self.needs_proof = True
            last = self.last()
            position = Position(self.partition, last.offset if last else 0)
            return Accepted(Receipt(command_id, stream, (), str(position)))
        events = self._append(one, fingerprint, stream, current, decision)
        offset = self.state.next + len(self.records) - 1
        leaf = self.leaves[len(self.records) - 1] = _leaf(self.records[-1])
        command = AcceptedCommand(stream, fingerprint, events, offset, one.carried.get(ACTOR, ""), leaf)
        self.accepted[command_id] = (*same_id, command)
        return Accepted(command.receipt(command_id, self.partition))

    def sign(self, signer: RecordSigner, previous: bytes, outcomes: list[Outcome]) -> bytes:
        """Sign the records, and put the leaves that change into the commands and their outcomes.

        Returns the leaf of the last record.
        """
        records, changed = self.records, dict[bytes, bytes]()
        leaves = [self.leaves.get(index) or _leaf(record) for index, record in enumerate(records)]
        for start in range(0, len(records), signer.most_events):
            signed = leaves[start : start + signer.most_events]
            end = start + len(signed) - 1
            header = signer.sign(previous, signed)
            records[end] = records[end]._replace(headers=[*records[end].headers, header])
            previous = changed[leaves[end]] = _leaf(records[end])
        for command_id, commands in self.accepted.items():
            if (leaf := changed.get(commands[-1].leaf)) is not None:
                self.accepted[command_id] = (*commands[:-1], replace(commands[-1], leaf=leaf))
        by_text = {old.hex(): new.hex() for old, new in changed.items()}
        for index, outcome in enumerate(outcomes):
            if isinstance(outcome, Accepted) and (text := by_text.get(outcome.receipt.leaf)) is not None:
                outcomes[index] = replace(outcome, receipt=replace(outcome.receipt, leaf=text))
        return previous

    def last(self) -> LastEvent | None:
        """The partition's last event once the batch is appended."""
        if not self.records:
            return self.state.last
        offset = self.state.next + len(self.records) - 1
        return LastEvent(offset, self.records[-1].key, self.last_id, self.at)

    def _append(
        self, one: Submitted, fingerprint: str, stream: str, current: StreamState, decision: Sequence[Any]
    ) -> tuple[Appended, ...]:
        events, (state, version) = self.decider.events, (current.state, current.version)
        appended = []
        for index, event in enumerate(decision):
            state, version = self.decider.evolve(state, event), version + 1
            kind = type(event).__name__
            headers = event_headers(
                events.name, one.command_id, fingerprint, index, kind, self.at, one.carried
            )
            self.records.append(Record(event_key(stream, version), events.encode(event), self.at, headers))
            appended.append(Appended(kind, version))
        self.streams[stream] = StreamState(state, version)
        self.last_id = f"{one.command_id}/{len(appended) - 1}"
        return tuple(appended)


def _leaf(record: Record) -> bytes:
    return record_hash(record.timestamp, record.key, record.value, record.headers)
