"""Forgets a borrower, once nothing is on loan, without a transaction over several topics.

1. The names say that the borrower is closing.
2. The fence of every partition is claimed, one after the other. Every decision from before is committed then,
   or never will be. A writer that claims a partition anew reads the names first, sees ``closing``, and lends
   nothing more to that token.
3. Every partition is read to its end. With an open loan the borrower is kept, or waits for the last return.
4. The name gets its tombstone, in one transaction with the record that says when.

Killed anywhere, running it again ends it. ``docs/protocol.md`` has the argument.
"""

from collections.abc import Callable
from typing import TypeAlias, TypeVar, assert_never

from confluent_kafka import KafkaException

from eventstore.append.deadline import Deadline
from eventstore.append.owner import ignore
from eventstore.partition_reader import read_partition
from eventstore.state.outcomes import OutcomeUnknown, Unwritable
from foundation.kafka_clients import KafkaUnavailable
from inventory.patrons import AddPatron, ForgetPatron, KeepPatron, PatronCommand, PatronState
from producer.names.loans import LoansOwner
from producer.names.names import Change, Names
from schemas.codec import decode, encode
from schemas.directory import Closing, Directory
from schemas.patrons import PatronForgotten, PatronName, forgotten_key, name_key, new_token
from schemas.topics import names_topic

T = TypeVar("T")
PatronResult: TypeAlias = PatronState | Unwritable | OutcomeUnknown
UNKNOWN = PatronState("unknown")


def carry_out(names: Names, command: PatronCommand, deadline_s: float) -> PatronResult:
    """Carry out a command about a borrower."""
    match command:
        case AddPatron():
            return add(names, command.user_id, deadline_s)
        case KeepPatron():
            return keep(names, command.user_id, deadline_s)
        case ForgetPatron():
            return forget(names, command.user_id, deadline_s, when_returned=command.when_returned)
        case _:
            assert_never(command)


def add(names: Names, user_id: str, deadline_s: float) -> PatronResult:
    """Register a borrower who has no token yet."""
    fresh = new_token()

    def decide(directory: Directory, at: int) -> tuple[Change, PatronState]:
        token = directory.token_of(user_id)
        if token is not None:
            return (), PatronState("closing" if token in directory.closing else "registered", token)
        return [(name_key(fresh), encode(PatronName(user_id, at)))], PatronState("registered", fresh)

    return names.change(decide, deadline_s)


def keep(names: Names, user_id: str, deadline_s: float) -> PatronResult:
    """Take an erasure back that has not ended."""

    def decide(directory: Directory, _: int) -> tuple[Change, PatronState]:
        token = directory.token_of(user_id)
        if token is None:
            return (), UNKNOWN
        closing = directory.closing.get(token)
        change: Change = () if closing is None else [_open(token, user_id, closing)]
        return change, PatronState("registered", token)

    return names.change(decide, deadline_s)


def forget(
    names: Names,
    user_id: str,
    deadline_s: float,
    *,
    when_returned: bool = False,
    reached: Callable[[str], None] = ignore,
) -> PatronResult:
    """Forget a borrower; with an open loan, ``when_returned`` leaves that to the last return.

    ``reached`` is called with each step that has been passed: closing, claimed and read of each partition,
    looked, forgotten, or kept.
    """
    deadline = Deadline(deadline_s)
    token = names.change(lambda directory, _: ((), directory.token_of(user_id)), deadline_s)
    if token is None:
        return UNKNOWN
    if not isinstance(token, str):
        return token
    try:
        registered_at = _registered_at(names, token)
    except (KafkaException, KafkaUnavailable) as error:
        return OutcomeUnknown(str(error), sent=False)

    def close(directory: Directory, _: int) -> tuple[Change, None]:
        closing = directory.closing.get(token)
        if directory.user_of(token) != user_id or (closing and (closing.when_returned or not when_returned)):
            return (), None
        name = PatronName(user_id, registered_at, True, when_returned)
        return [(name_key(token), encode(name))], None

    closed = names.change(close, deadline.left(deadline_s))
    if closed is not None:
        return closed
    reached("closing")
    return finish(names, token, deadline.left(deadline_s), reached=reached)


def finish(
    names: Names, token: str, deadline_s: float, *, reached: Callable[[str], None] = ignore
) -> PatronResult:
    """Go on with an erasure that has begun, from the second step on."""
    deadline = Deadline(deadline_s)
    begun = names.directory.closing.get(token)
    if begun is None:
        return _ended(names.directory, token)
    on_loan: set[str] = set()
    for partition in range(names.settings.partitions):
        owner = LoansOwner(names.settings, partition, token, reached)
        try:
            found = owner.claim_and_read(deadline.left(deadline_s))
        finally:
            owner.close()
        if not isinstance(found, set):
            return found
        on_loan |= found
    reached("looked")
    if on_loan:
        return _keep_or_wait(names, token, begun, on_loan, deadline.left(deadline_s), reached)

    def erase(directory: Directory, at: int) -> tuple[Change, PatronState]:
        # Kept and closed again meanwhile: the loans were not read after that
        if directory.closing.get(token) != begun:
            return (), _ended(directory, token)
        change = [(name_key(token), None), (forgotten_key(token), encode(PatronForgotten(at)))]
        return change, PatronState("forgotten", token, at)

    done = names.change(erase, deadline.left(deadline_s))
    if isinstance(done, PatronState) and done.state == "forgotten":
        reached("forgotten")
    return done


def _keep_or_wait(
    names: Names,
    token: str,
    begun: Closing,
    on_loan: set[str],
    deadline_s: float,
    reached: Callable[[str], None],
) -> PatronResult:
    isbns = tuple(sorted(on_loan))

    def decide(directory: Directory, _: int) -> tuple[Change, PatronState]:
        user_id = directory.user_of(token)
        if directory.closing.get(token) != begun or user_id is None:
            return (), _ended(directory, token)
        if begun.when_returned:
            return (), PatronState("closing", token, isbns=isbns)
        return [_open(token, user_id, begun)], PatronState("open_loans", token, isbns=isbns)

    done = names.change(decide, deadline_s)
    reached("kept")
    return done


def _ended(directory: Directory, token: str) -> PatronState:
    """How the erasure was ended by somebody else."""
    at = directory.forgotten.get(token)
    if at is not None:
        return PatronState("forgotten", token, at)
    return PatronState("closing" if token in directory.closing else "registered", token)


def _open(token: str, user_id: str, closing: Closing) -> tuple[bytes, bytes]:
    return name_key(token), encode(PatronName(user_id, closing.registered_at))


def _registered_at(names: Names, token: str) -> int:
    """When the borrower was registered, which the directory does not keep. Raises as ``read_partition``."""
    key, registered_at = name_key(token), 0
    settings = names.settings
    for message in read_partition(settings, names_topic(settings), 0, end=names.read_up_to):
        if message.key() == key and message.value() is not None:
            registered_at = decode(message.value()).registered_at
    return registered_at
