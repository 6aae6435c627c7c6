"""Transactions that Kafka's own ``kafka-transactions.sh find-hanging`` reports."""

import os
import subprocess

from eventstore.topics import events_topic
from foundation.settings import Settings
from library.broker.properties import java_environment
from library.broker.tools import tool_command

LIMIT_S = 120.0


def hanging_transactions(settings: Settings) -> list[str]:
    """Lines of the tool's table: open transactions on the event store that no coordinator knows of.

    The tool passes over transactions younger than 15 minutes unless told otherwise; here it looks at all.
    """
    arguments = ["find-hanging", "--topic", events_topic(settings), "--max-transaction-timeout", "0"]
    with tool_command(settings, "transactions", arguments, os.environ) as command:
        done = subprocess.run(
            command,
            env=java_environment(os.environ),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    header, *rows = [line for line in done.stdout.splitlines() if line.strip()] or [""]
    assert done.returncode == 0, done.stderr
    assert header.startswith("Topic"), done.stdout
    return rows
