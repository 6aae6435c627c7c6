"""Restores that break off while librdkafka adds a partition to a transaction: python -m … KAFKA NAME.

Its main thread does that a millisecond after the first record. Here it has one processor with this program,
and waits while anybody else runs: it often meets the partition and the end of the producer at the same time.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from eventstore.topics import events_topic
from foundation.settings import Settings
from library.commands import restored_events
from library.store.backup_file import Record

STARVED_S = 0.0012
"""Just more than the time that librdkafka waits before it adds a partition."""
REPEATS = 40
"""Without an abort, one of about 50 drops ended the process."""
RECORD = Record(0, 0, 1, b"9780000000000:0000000001", b"value", [])


def share_one_processor() -> None:
    """For this thread, and for those that start later."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def starve_main_threads() -> None:
    """librdkafka's main threads run when nobody else wants to."""
    for task in Path("/proc/self/task").iterdir():
        if (task / "comm").read_text("utf-8").strip() == "rdk:main":
            os.sched_setscheduler(int(task.name), os.SCHED_IDLE, os.sched_param(0))


def spin() -> None:
    """Keep the processor: a sleep would give it to the main threads."""
    end = time.perf_counter() + STARVED_S
    while time.perf_counter() < end:
        pass


def records() -> Iterator[Record]:
    """Records of a file that can't be read to its end."""
    restored_events.TRANSACTION_RECORDS = 1
    # With its commit, the producer knows the topic: from here on produce() asks for a partition at once
    yield RECORD
    restored_events.TRANSACTION_RECORDS = 1000
    starve_main_threads()
    yield RECORD
    spin()
    raise OSError("the disk is gone")


def break_off(settings: Settings) -> None:
    """The producers are dropped at the end."""
    writers = restored_events.fenced_writers(settings)
    try:
        restored_events.write_missing(events_topic(settings), writers, records(), Counter())
    except OSError as error:
        print(error)


if __name__ == "__main__":
    share_one_processor()
    for _ in range(REPEATS):
        break_off(Settings(kafka=sys.argv[1], name=sys.argv[2], partitions=1))
    print("dropped")
