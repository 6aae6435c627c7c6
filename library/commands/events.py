"""``library events``: the event store as lines that any program can read."""

import json
import os
import select
import signal
import sys
import threading
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings

if TYPE_CHECKING:
    from eventstore.reader import Start, Unreadable
    from foundation.settings import Settings
    from schemas.records import Recorded


@click.command()
@click.option("--group", metavar="G", help="Remember under this name what was printed, and go on there.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what is written from now on.")
@click.option(
    "--from",
    "start",
    default="earliest",
    metavar="earliest|latest|TIME",
    help="Where to begin: earliest. Not where the group was before.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON lines on a terminal too.")
@with_settings("kafka", "name", "data_dir", "deadline")
def events(settings: "Settings", group: str | None, follow: bool, start: str, as_json: bool) -> None:
    """Print events as JSON lines, each title's in order.

    With --group, an event counts as read when its line was written and flushed. What was under way when the
    reader was killed is printed again, so a line may come twice, but none is left out. Several readers of
    one group share the events.
    """
    from confluent_kafka import KafkaException

    from eventstore.reader import Reader
    from foundation.cli.unreachable import unreachable
    from foundation.kafka_clients import KafkaUnavailable

    _leave_when_stopped()
    line = _json_line if as_json or not sys.stdout.isatty() else _words
    try:
        with Reader(settings, group, _start(start), _report) as reader:
            for event in reader.events(follow=follow):
                sys.stdout.write(line(event) + "\n")
                sys.stdout.flush()
    except (KafkaUnavailable, KafkaException) as error:
        raise unreachable(settings, error) from error


def _start(text: str) -> "Start":
    from schemas.times import BadTime, parse_time

    match text:
        case "earliest" | "latest":
            return text
        case _:
            try:
                return parse_time(text)
            except BadTime as error:
                raise CommandError(
                    exits.MALFORMED, f"--from is earliest, latest or a time: {error}"
                ) from error


def fields_of(event: "Recorded") -> dict[str, Any]:
    """The event as ``history`` shows it, with its ISBN and what its caller gave along."""
    from eventstore.headers import CARRIED
    from schemas.event_json import event_data
    from schemas.times import rfc3339

    carried = {name: event.headers[name] for name in CARRIED if name in event.headers}
    return {
        "isbn": event.event.isbn,
        "version": event.version,
        "type": event.type,
        "time": rfc3339(event.event.timestamp),
        "command_id": event.command_id,
        "position": str(event.position),
        "data": event_data(event.event),
        **carried,
    }


def _json_line(event: "Recorded") -> str:
    return json.dumps(fields_of(event), ensure_ascii=False)


def _words(event: "Recorded") -> str:
    fields = fields_of(event)
    data = " ".join(f"{name}={value}" for name, value in fields["data"].items())
    return f"{fields['time']}  {fields['isbn']}  {fields['version']:>4}  {fields['type']:<16} {data}"


def _report(unreadable: "Unreadable") -> None:
    click.echo(f"passed over: {unreadable}", err=True)


def _leave_when_stopped() -> None:
    """End in an orderly way on SIGTERM, and as soon as nobody reads our output any more.

    So the reader leaves its group, and the next one need not wait for it. Without looking, a closed pipe
    would be met only when the next event is written.
    """
    closed = threading.Event()

    def stop(number: int, _: FrameType | None) -> None:
        if closed.is_set():
            raise BrokenPipeError
        sys.exit(128 + number)

    def watch(output: int) -> None:
        poll = select.poll()
        poll.register(output, 0)
        poll.poll()
        closed.set()
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    threading.Thread(target=watch, args=(sys.stdout.fileno(),), daemon=True).start()
