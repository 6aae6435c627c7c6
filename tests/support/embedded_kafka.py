"""One embedded broker, started and stopped by the caller: for tests and benchmarks."""

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from library.broker.kafka import KafkaFailed, Node, answers, prepare
from library.process.die_with_parent import dying_with_me
from library.process.log_file import parse_line


class Kafka:
    """A running broker. `library up` runs the same command as a supervised child."""

    def __init__(self, node: Node, environment: Mapping[str, str], timeout: float = 60.0) -> None:
        """Start it and return when it answers.

        Raises the errors of ``prepare``, and KafkaFailed when the process ends or ``timeout`` seconds have
        passed.
        """
        command = prepare(node, environment)
        self.node = node
        self.log = node.home / "kafka.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                dying_with_me(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        limit = time.monotonic() + timeout
        while not answers(node):
            if self.process.poll() is not None or time.monotonic() > limit:
                self.kill()
                raise KafkaFailed(f"Kafka did not start: {last_messages(self.log)}")

    @property
    def bootstrap(self) -> str:
        """The address of its clients."""
        return self.node.bootstrap

    def stop(self, timeout: float = 30.0) -> None:
        """Stop it cleanly. Kill it if that takes longer than ``timeout`` seconds."""
        self.process.terminate()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill it, as a power cut or the out-of-memory killer does."""
        self.process.kill()
        self.process.wait()


def last_messages(log: Path, lines: int = 3) -> str:
    """The last ``lines`` messages of a log; a line that is not JSON as it is."""
    try:
        text = log.read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return "it logged nothing"
    last = [line for line in text.splitlines() if line.strip()][-lines:]
    return " / ".join(_message(line)[:500] for line in last) or "it logged nothing"


def _message(line: str) -> str:
    entry = parse_line(line)
    return line.strip() if entry is None else str(entry.get("message", ""))
