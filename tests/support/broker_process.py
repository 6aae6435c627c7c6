"""Broker processes with another configuration than the embedded one."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from library.broker.kafka import program
from library.broker.properties import as_text
from library.process.die_with_parent import dying_with_me


def format_storage(home: Path, settings: Mapping[str, object], *options: str) -> None:
    """Format ``home`` for a broker with these properties; ``options`` are those of StorageTool."""
    home.mkdir(parents=True)
    config = home / "server.properties"
    config.write_text(as_text(settings), "utf-8")
    command = [
        *program("", os.environ),
        "kafka.tools.StorageTool",
        "format",
        "--config",
        str(config),
        *options,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr or done.stdout


def start_broker(home: Path) -> "subprocess.Popen[bytes]":
    """Start a broker process; its output goes to ``home/kafka.log``."""
    command = [*program("", os.environ), "kafka.Kafka", str(home / "server.properties")]
    with (home / "kafka.log").open("ab") as log:
        return subprocess.Popen(
            dying_with_me(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
