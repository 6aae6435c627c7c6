"""Where checkpoints go besides the notary's file: to a topic, and to a command that takes them elsewhere."""

import logging
import subprocess
import threading
from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient

from foundation.kafka_clients import client_config
from foundation.settings import Settings
from schemas.checkpoints import checkpoints_topic, ensure_checkpoints_topic

COMMAND_LIMIT_S = 60.0
"""A command that takes longer is ended, and has failed."""
RETRY_INTERVAL_S = 30.0
FLUSH_LIMIT_S = 10.0

log = logging.getLogger(__name__)


class TopicOutlet:
    """Writes checkpoints to their topic. What Kafka does not take is written again with the next ones.

    Opening raises KafkaException.
    """

    def __init__(self, settings: Settings) -> None:
        self._topic = checkpoints_topic(settings)
        ensure_checkpoints_topic(AdminClient(client_config(settings)), settings, min(15.0, settings.deadline))
        self._producer = Producer(client_config(settings) | {"enable.idempotence": True, "linger.ms": 5})
        self._pending: dict[tuple[str, str], None] = {}

    def add(self, origin: str, note: str) -> None:
        """Write one checkpoint with the next ``flush``."""
        self._pending[origin, note] = None

    def flush(self, limit_s: float = FLUSH_LIMIT_S) -> None:
        """Write everything that was added; what fails is logged, and kept."""
        for origin, note in list(self._pending):
            self._producer.produce(
                self._topic, note.encode(), origin.encode(), 0, on_delivery=self._delivered(origin, note)
            )
        self._producer.flush(limit_s)
        if self._pending:
            log.warning("%d checkpoints are not in topic %s yet", len(self._pending), self._topic)
            self._producer.purge()
            self._producer.flush(limit_s)

    def close(self) -> None:
        """Close the connections."""
        self._producer.close()

    def _delivered(self, origin: str, note: str) -> Callable[[KafkaError | None, Message], None]:
        def note_result(error: KafkaError | None, _: Message) -> None:
            if error is None:
                self._pending.pop((origin, note), None)
            else:
                log.debug("a checkpoint could not be written: %s", KafkaException(error))

        return note_result


class CommandOutlet:
    """Gives each checkpoint to a shell command on its standard input, in a thread.

    A command that fails gets the newest checkpoint of that origin again after RETRY_INTERVAL_S.
    """

    def __init__(self, command: str) -> None:
        self._command = command
        self._pending: dict[str, str] = {}
        self._changed = threading.Condition()
        self._closing = False
        self.failures = 0
        """Runs of the command that failed."""
        self._thread = threading.Thread(target=self._run, name="publish", daemon=True)
        self._thread.start()

    @property
    def pending(self) -> int:
        """Origins whose newest checkpoint the command has not taken."""
        return len(self._pending)

    def add(self, origin: str, note: str) -> None:
        """Give this checkpoint to the command; it replaces an older one of the origin that waits."""
        with self._changed:
            # The newest one is the last
            self._pending.pop(origin, None)
            self._pending[origin] = note
            self._changed.notify()

    def close(self, limit_s: float = COMMAND_LIMIT_S) -> None:
        """Let the command take what is pending, up to ``limit_s`` seconds, once each."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(limit_s)
        if self._pending:
            log.error("the publishing command has not taken %d checkpoints", len(self._pending))

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pending or self._closing)
                notes = list(self._pending.items())
            failed = [origin for origin, note in notes if not self._take(origin, note)]
            with self._changed:
                if self._closing and (failed or not self._pending):
                    return
                if failed:
                    self._changed.wait_for(lambda: self._closing, RETRY_INTERVAL_S)

    def _take(self, origin: str, note: str) -> bool:
        try:
            done = subprocess.run(
                self._command,
                shell=True,
                input=note.encode(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=COMMAND_LIMIT_S,
                check=False,
            )
            trouble = done.stderr.decode(errors="replace").strip()[-500:] if done.returncode else ""
            code = done.returncode
        except (OSError, subprocess.TimeoutExpired) as error:
            trouble, code = str(error), -1
        if code:
            self.failures += 1
            log.error("the publishing command failed for %s with %d: %s", origin, code, trouble)
            return False
        with self._changed:
            if self._pending.get(origin) == note:
                del self._pending[origin]
        return True
