"""One audit of every row, at or after the end that the events had when it began."""

import time
from collections.abc import Callable

from audit.session import Session


class Behind(Exception):
    """The table does not reach the end of the events within the deadline; the message says where it stays."""


class OtherStore(Exception):
    """The table was made from another event store."""


def compare_once(session: Session, report: Callable[[int], None]) -> None:
    """Step until every row of the session's partitions was compared once; it must not be in a group.

    ``report`` gets the number of events folded so far, as offsets. Raises Behind, OtherStore, and as
    ``Session.step``.
    """
    before, moved_at = (0, 0, 0), time.monotonic()
    while any(partition.whole_at is None for partition in session.partitions.values()) or not before[0]:
        session.step()
        partitions = session.partitions.values()
        if other := next((one.other_source for one in partitions if one.at_end and one.other_source), ""):
            source = session.subject.identity.source
            raise OtherStore(f"the table was made from another event store, {other}, not {source}")
        folded = sum(partition.folded for partition in partitions)
        now = (len(partitions), folded, sum(one.table_end + one.next for one in partitions))
        report(folded)
        if now != before:
            before, moved_at = now, time.monotonic()
        elif time.monotonic() - moved_at > session.settings.deadline:
            late = next(one for one in partitions if one.whole_at is None)
            raise Behind(
                f"the table stays at offset {late.next} of partition {late.number}, the events end at "
                f"{late.least}: `library status` shows whether the projector runs, `library logs projector` "
                "why it waits"
            )
