"""``library events``: the events as lines for people and programs."""

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
from library.commands.queries import data_line

if TYPE_CHECKING:
    from eventstore.reader import Start, Unreadable
    from eventstore.recorded import Recorded
    from foundation.settings import Settings
    from schemas.events import Event
    from schemas.reader import NamedReader


@click.command()
@click.option("--group", metavar="G", help="Consumer group: continue after the events it has printed before.")
@click.option("--follow", "-f", is_flag=True, help="Keep printing new events.")
@click.option(
    "--from",
    "start",
    default="earliest",
    metavar="earliest|latest|TIME|DAY",
    help="Where to start if the group has no offset yet; by default earliest.",
)
@click.option("--names", is_flag=True, help="Borrowers by name, in a store that keeps names apart.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines, even on a terminal.")
@with_settings("kafka", "name", "data_dir", "deadline")
def events(
    settings: "Settings", group: str | None, follow: bool, start: str, names: bool, as_json: bool
) -> None:
    """Print events as JSON lines, each title's in order.

    With --group, an event counts as read once its line is written and flushed. If the reader is killed, the
    last lines are printed again later: a line may come twice, but none is missing. Several readers of one
    group share the events.

    With --names, data has a borrower's name as user_id, null once forgotten, and the token as patron. A name
    that was printed can't be erased where it went.
    """
    from confluent_kafka import KafkaException

    from eventstore.reader import OffsetsGone
    from foundation.cli.streams import use_utf_8
    from foundation.cli.unreachable import unreachable
    from foundation.kafka_clients import KafkaUnavailable
    from library.commands.groups import checked_group
    from schemas.names_view import NamesUnknown
    from schemas.reader import NamedReader, open_reader

    if group is not None:
        group = checked_group(settings, group)
    ending = _end_with_the_reader()
    line = _json_line if as_json or not sys.stdout.isatty() else _text_line
    if line is _json_line:
        use_utf_8()
    try:
        reader = (
            open_reader(group, settings=settings, start=_start(settings, start), report=_report, names=True)
            if names
            else open_reader(group, settings=settings, start=_start(settings, start), report=_report)
        )
        printed = False
        with reader:
            try:
                for event in reader.follow() if follow else reader:
                    printed = True
                    fields = fields_of(event)
                    if isinstance(reader, NamedReader):
                        _name(fields["data"], event.event, reader)
                    sys.stdout.write(line(fields) + "\n")
                    sys.stdout.flush()
            finally:
                ending.set()
        if not printed:
            click.echo("no new events" if group else "no events", err=True)
    except NamesUnknown as error:
        raise CommandError(exits.UNAVAILABLE, str(error)) from error
    except OffsetsGone as error:
        raise CommandError(exits.FAILED, str(error)) from error
    except (KafkaUnavailable, KafkaException) as error:
        raise unreachable(settings, error) from error


def _start(settings: "Settings", text: str) -> "Start":
    from library.commands.moments import parse_moment
    from schemas.times import BadTime

    match text:
        case "earliest" | "latest":
            return text
        case _:
            try:
                return parse_moment(text, settings.timezone).begin_ms
            except BadTime as error:
                raise CommandError(
                    exits.MALFORMED, f"--from is earliest, latest or a time: {error}"
                ) from error


def fields_of(event: "Recorded[Event]") -> dict[str, Any]:
    """The event as ``history`` shows it, plus its ISBN and its caller's headers."""
    from eventstore.headers import ACTOR, CARRIED
    from schemas.event_json import event_data
    from schemas.times import rfc3339

    carried = {name: event.headers[name] for name in CARRIED if name in event.headers and name != ACTOR}
    return {
        "isbn": event.event.isbn,
        "version": event.version,
        "type": event.type,
        "time": rfc3339(event.event.timestamp),
        "command_id": event.command_id,
        "actor": event.headers.get(ACTOR, ""),
        "position": str(event.position),
        "data": event_data(event.event),
        **carried,
    }


def _name(data: dict[str, Any], event: "Event", reader: "NamedReader") -> None:
    """Put the borrower's name into the data of an event, beside the token."""
    from schemas.patrons import is_token

    user = data.get("user_id")
    if user is not None:
        data["user_id"] = reader.user_id(event)
        if reader.names.exists and is_token(user):
            data["patron"] = user


def _json_line(fields: dict[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False)


def _text_line(fields: dict[str, Any]) -> str:
    data = data_line(fields["data"])
    by = f"  by {fields['actor']}" if fields["actor"] else ""
    return f"{fields['time']}  {fields['isbn']}  {fields['version']:>4}  {fields['type']:<16} {data}{by}"


def _report(unreadable: "Unreadable") -> None:
    click.echo(f"skipped: {unreadable}", err=True)


def _end_with_the_reader() -> threading.Event:
    """End cleanly on SIGTERM, and as soon as the reader of our output closes its pipe.

    A clean end leaves the consumer group, and the next reader need not wait for the session's end. Without
    this poll a closed pipe would be noticed only at the next event. To be set when the end has begun: a
    signal must not interrupt it, and a write may have noticed the closed pipe first.
    """
    closed, ending = threading.Event(), threading.Event()

    def stop(number: int, _: FrameType | None) -> None:
        if ending.is_set():
            return
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
    return ending
