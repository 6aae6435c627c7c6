"""``library prove``: proofs that a title's events are in the event store, as the notary has signed it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings
from library.commands.queries import checked_field, get
from library.commands.signed_events import read_keys

if TYPE_CHECKING:
    from foundation.http.client import Service
    from foundation.settings import Settings
    from library.checks.title_proof import ProvedVersion, TitleProof

PAGE_SIZE = "100"


@click.command()
@click.argument("isbn", required=False)
@click.option(
    "--check",
    "file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Check this proof instead, without any service; - is standard input.",
)
@click.option("--key", "keys", metavar="KEY", multiple=True, help="The notary's public key, for --check.")
@click.option("--json", "as_json", is_flag=True, help="With --check: JSON lines.")
@with_settings("api", "data_dir", "deadline")
def prove(
    settings: "Settings", isbn: str | None, file: Path | None, keys: tuple[str, ...], as_json: bool
) -> int:
    """Print a proof that the events of title ISBN are in the event store, as the notary has signed it.

    The proof is JSON: for each event its bytes and the hashes up to the root of a signed checkpoint. Anybody
    who has the notary's public key can check it with --check, which prints the events and ends with 4 if it
    proves nothing.
    """
    if (isbn is None) == (file is None):
        raise CommandError(exits.MALFORMED, "give either ISBN or --check FILE")
    if file is None:
        if keys or as_json:
            raise CommandError(exits.MALFORMED, "--key and --json are for --check")
        _print_proof(settings, checked_field("isbn", isbn) or "")
        return exits.DONE
    return _check(file, keys, as_json)


def _print_proof(settings: "Settings", isbn: str) -> None:
    import msgspec

    from foundation.http.client import NoAnswer, Service

    try:
        with Service(settings.api, settings.deadline) as service:
            title = _fetched(service, isbn)
    except NoAnswer as error:
        raise CommandError(
            exits.UNAVAILABLE,
            f"{error}: `library up` starts a system on this machine, --api URL names another",
        ) from error
    click.echo(msgspec.json.format(msgspec.json.encode(title)).decode())
    proved = sum(len(proof.records) for proof in title.proofs)
    click.echo(f"{proved:,} of {title.events:,} events of {isbn} are in a checkpoint", err=True)


def _fetched(service: "Service", isbn: str) -> "TitleProof":
    """The proofs of all pages of the title's history."""
    import msgspec

    from evidence.proof import Proof
    from library.checks.title_proof import TitleProof

    proofs, events = [], 0
    parameters: dict[str, str | None] = {"proof": "true", "limit": PAGE_SIZE}
    while True:
        page = get(service, ("inventory", isbn, "history"), parameters)
        try:
            events += len(page["items"])
            proof = page["proof"]
            document = {"checkpoint": proof["checkpoint"], "records": proof["events"]}
            proofs.append(msgspec.convert(document, Proof))
            parameters["cursor"] = page["next_cursor"]
        except (LookupError, TypeError, msgspec.ValidationError) as error:
            raise CommandError(
                exits.UNAVAILABLE, f"the query API at {service.url} has no proofs: upgrade it"
            ) from error
        if parameters["cursor"] is None:
            return TitleProof(isbn, events, proofs)


def _check(file: Path, keys: tuple[str, ...], as_json: bool) -> int:
    import msgspec

    from evidence.checkpoint import BadCheckpoint
    from evidence.note import BadNote
    from library.checks.title_proof import NotProved, TitleProof, check_title

    verifiers = read_keys(keys)
    try:
        with click.open_file(str(file), "rb") as stream:
            title = msgspec.json.decode(stream.read(), type=TitleProof)
        versions, newest = check_title(title, verifiers)
    except NotProved as error:
        raise CommandError(exits.NOT_FOUND, f"{file} proves nothing: {error}") from error
    except (OSError, msgspec.DecodeError, BadNote, BadCheckpoint) as error:
        raise CommandError(exits.BAD_DATA, f"{file} can't be read: {error}") from error
    _print_events(title.isbn, versions, as_json)
    sys.stdout.flush()
    if newest is not None:
        covered = f"proved by a checkpoint of {newest.size:,} events of {newest.origin}"
        click.echo(f"events 1 to {len(versions):,} of {title.isbn}, {covered}", err=True)
    if missing := title.events - len(versions):
        click.echo(f"not covered: the {missing:,} newest", err=True)
    return exits.DONE


def _print_events(isbn: str, versions: "list[ProvedVersion]", as_json: bool) -> None:
    from foundation.cli.tables import Column, Fit, print_rows
    from schemas.times import rfc3339

    rows = [
        {
            "version": one.version,
            "time": rfc3339(one.recorded_at),
            **_decoded(isbn, one.value),
            "index": one.partition_index,
        }
        for one in versions
    ]
    data = Column("data", Fit.WRAPPED)
    columns = (Column("version"), Column("time"), Column("type"), data, Column("index", drop=1))
    if not as_json:
        rows = [row | {"data": " ".join(f"{k}={v}" for k, v in row["data"].items())} for row in rows]
    print_rows(columns, rows, as_json)


def _decoded(isbn: str, value: bytes | None) -> dict[str, Any]:
    from schemas.codec import Undecodable
    from schemas.event_json import event_data
    from schemas.records import event_of

    try:
        event = event_of(isbn, value)
    except Undecodable as error:
        return {"type": "unknown", "data": {"error": str(error)}}
    return {"type": type(event).__name__, "data": event_data(event)}
