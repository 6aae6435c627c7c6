"""``library notary``, ``python -m notary``: follows the event store and signs checkpoints of it."""

import logging
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings
from foundation.cli.metrics_port import serve_metrics
from foundation.memory import calm_collector

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evidence.note import Signer, Verifier
    from foundation.settings import Settings

log = logging.getLogger(__name__)

FOLDER = "notary"
"""The notary's folder in the data directory."""
NOTARY_SETTINGS = ("origin", "notary_key", "notary_interval", "writer_keys", "publish")
BEAT_INTERVAL_S = 5.0
"""Between two touches of the ready file."""


@click.command()
@with_settings("kafka", "name", "partitions", "data_dir", "deadline", "log_level", *NOTARY_SETTINGS)
@click.option("--new-key", is_flag=True, help="Make a key, print its public part, and end.")
@click.option("--show-key", is_flag=True, help="Print the public parts of the keys, and end.")
@click.option("--once", is_flag=True, help="Read and sign everything up to now, and end.")
@click.option(
    "--ready-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write once everything was read; it says which partitions are refused.",
)
def notary(settings: "Settings", new_key: bool, show_key: bool, once: bool, ready_file: Path | None) -> int:
    """Follow the event store, and sign its state every minute.

    A checkpoint is the number of a partition's events and the root of their Merkle tree. It is appended to
    the file `notary/checkpoints` in the data directory, written to the topic NAME.checkpoints, and given to
    the command that --publish names.

    With --writers it also examines the signatures of the writers.

    Where an event that was read is changed or gone, a key occurs twice, a version is missing, or a record is
    outside a transaction, the partition is not signed any more. The command then ends with 65.
    """
    from eventstore.key_files import BadKeyFile, add_key, read_keys, read_public_keys
    from notary.keys import key_file, key_name

    try:
        if new_key:
            click.echo(add_key(key_file(settings), key_name(settings)).verifier.text)
            return exits.DONE
        signers = read_keys(key_file(settings))
        writers = read_public_keys(Path(settings.writer_keys)) if settings.writer_keys else []
    except BadKeyFile as error:
        raise CommandError(exits.FAILED, str(error)) from error
    if show_key:
        click.echo("\n".join(signer.verifier.text for signer in signers))
        return exits.DONE

    from foundation.logs import log_as

    log_as("notary", settings.log_level)
    calm_collector()
    _require_topics(settings)
    ready = ReadyFile(ready_file)
    try:
        return _run(settings, signers, writers, once, ready)
    finally:
        ready.remove()


class ReadyFile:
    """A file that says whether the notary is ready, and what it refuses. It is written again and again."""

    def __init__(self, path: Path | None) -> None:
        self._path, self._written_at, self._ready = path, 0.0, False
        self.refused: Callable[[], Sequence[int]] = tuple
        self.remove()

    def ready(self) -> None:
        """Write the file."""
        log.info("ready")
        self._ready, self._written_at = True, 0.0
        self.beat()

    def beat(self) -> None:
        """Write the file again if that is due."""
        if self._path is None or not self._ready or time.monotonic() - self._written_at < BEAT_INTERVAL_S:
            return
        self._written_at = time.monotonic()
        refused = ",".join(map(str, self.refused()))
        aside = self._path.with_name(f"{self._path.name}.new")
        aside.write_text(f"refused {refused}\n" if refused else "ready\n", "utf-8")
        aside.replace(self._path)

    def remove(self) -> None:
        """Remove the file."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _run(
    settings: "Settings",
    signers: "Sequence[Signer]",
    writers: "Sequence[Verifier]",
    once: bool,
    ready: ReadyFile,
) -> int:
    from confluent_kafka import KafkaException

    from foundation.cli.unreachable import unreachable
    from foundation.kafka_clients import KafkaUnavailable
    from notary.folder import InUse, locked
    from notary.follower import Follower
    from notary.metrics import Metrics
    from notary.outlets import CommandOutlet
    from notary.refusal import Refused

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    folder = Path(settings.data_dir) / FOLDER
    command = CommandOutlet(settings.publish) if settings.publish else None
    try:
        with locked(folder):
            follower = Follower(settings, folder, signers, command, ready.beat, writers)
            ready.refused = lambda: follower.refused
            if settings.metrics_port:
                serve_metrics(Metrics(follower.standings, command).registry, settings)
            try:
                follower.run(stop, once, ready.ready)
            finally:
                follower.close()
    except Refused as error:
        raise CommandError(exits.BAD_DATA, f"nothing is signed ({error.reason}): {error}") from error
    except (KafkaException, KafkaUnavailable) as error:
        raise unreachable(settings, error) from error
    except InUse as error:
        raise CommandError(exits.FAILED, str(error)) from error
    except OSError as error:
        raise CommandError(exits.FAILED, f"{folder} can't be used: {error}") from error
    finally:
        if command is not None:
            command.close()
    return exits.BAD_DATA if follower.refused else exits.DONE


def _require_topics(settings: "Settings") -> None:
    """Check the event store's topic; wait for Kafka until the deadline."""
    from confluent_kafka import KafkaException

    from eventstore.topics import WrongTopic, topics_in_time
    from foundation.cli.unreachable import unreachable

    try:
        topics_in_time(settings, ())
    except WrongTopic as error:
        raise CommandError(exits.BAD_DATA, str(error)) from error
    except KafkaException as error:
        raise unreachable(settings, error) from error
