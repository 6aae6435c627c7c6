"""``library verify --checkpoints``: compare the events, or a backup, with signed checkpoints."""

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from foundation.cli import exits
from foundation.cli.app import CommandError

if TYPE_CHECKING:
    from evidence.note import Verifier
    from evidence.successor import Successor
    from foundation.settings import Settings
    from library.checks.checkpoints import Store, Verified
    from library.store.backup_file import Record


def verify_signed_events(
    settings: "Settings",
    checkpoints: Path,
    keys: Sequence[str],
    backup: Path | None,
    leaves: Path | None,
    writers: Path | None,
    successors: Sequence[Path],
    as_json: bool,
) -> int:
    """Compare with the notes in ``checkpoints``; ``leaves`` is the folder of the notary's hashes.

    ``writers`` is the file of the writers' public keys, ``successors`` are files of ``library restore
    --successor``.

    Prints the findings, and returns the exit code. Raises CommandError, BadKeyFile, and for the live events
    as ``library.store.ordered_records.records``.
    """
    from eventstore.key_files import read_public_keys
    from evidence.checkpoint import BadCheckpoint
    from evidence.note import BadNote
    from foundation.cli.progress import Progress
    from library.checks.checkpoints import verify
    from library.store.backup_file import NotWhole
    from library.store.ordered_records import counted

    verifiers, notes = read_keys(keys), read_notes(checkpoints)
    writers_keys = [] if writers is None else read_public_keys(writers)
    folder = checkpoints.parent if leaves is None else leaves
    connections = [successor for file in successors for successor in read_successors(file, verifiers)]
    try:
        store, expected, read = _live(settings) if backup is None else _backed_up(backup)
        with Progress("verifying", expected, "events") as progress:
            verified = verify(
                store,
                lambda: counted(iter(read()), progress.show),
                notes,
                verifiers,
                _kept_hashes(folder),
                connections,
                writers_keys,
            )
    except NotWhole as error:
        raise CommandError(exits.BAD_DATA, f"{backup} can't be used: {error}") from error
    except (BadNote, BadCheckpoint) as error:
        raise CommandError(
            exits.BAD_DATA, f"{checkpoints} has a note that is no checkpoint: {error}"
        ) from error
    except OSError as error:
        raise CommandError(exits.BAD_DATA, f"a file can't be read: {error}") from error
    return _report(verified, as_json)


def read_keys(keys: Sequence[str]) -> "list[Verifier]":
    """The public keys. Raises CommandError."""
    from evidence.note import BadKeyText, Verifier

    if not keys:
        raise CommandError(exits.MALFORMED, "--key is missing: the notary's public key")
    try:
        return [Verifier(key) for key in keys]
    except BadKeyText as error:
        raise CommandError(exits.MALFORMED, f"--key: {error}") from error


def read_notes(file: Path) -> list[str]:
    """The notes in a file. Raises CommandError if there is none."""
    from evidence.checkpoint import notes_of

    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(exits.BAD_DATA, f"{file} can't be read: {error}") from error
    # A note by itself has no empty line below it
    notes, rest = notes_of(text.rstrip("\n") + "\n\n")
    if not notes or rest.strip():
        raise CommandError(exits.BAD_DATA, f"{file} is no file of checkpoints, or its last one is truncated")
    return notes


def read_successors(file: Path, keys: "Sequence[Verifier]") -> "list[Successor]":
    """The successors in a file. Raises CommandError, also where none of the keys has signed one."""
    from evidence.checkpoint import BadCheckpoint
    from evidence.note import BadNote, BadSignature, Unsigned
    from evidence.successor import open_successor

    try:
        return [open_successor(note, keys) for note in read_notes(file)]
    except (BadSignature, Unsigned) as error:
        raise CommandError(exits.NOT_FOUND, f"{file} is not signed: {error}") from error
    except (BadNote, BadCheckpoint) as error:
        raise CommandError(exits.BAD_DATA, f"{file} is no successor: {error}") from error


def _live(settings: "Settings") -> "tuple[Store, int, Callable[[], Iterable[Record]]]":
    """The store in Kafka, the number of its offsets, and its events."""
    from confluent_kafka.admin import AdminClient

    from eventstore.topics import check_placement, events_topic
    from foundation.kafka_clients import client_config
    from library.checks.checkpoints import Store
    from library.store.offsets import settled_end
    from library.store.ordered_records import records
    from schemas.tables import current_table
    from schemas.topics import identify

    admin = AdminClient(client_config(settings))
    check_placement(settings)
    identity = identify(admin, settings, settings.deadline, current_table(admin, settings))
    ends = settled_end(settings, events_topic(settings), settings.deadline)
    store = Store(identity.cluster, identity.events, settings.partitions)
    return store, sum(ends.values()), lambda: records(settings, ends)


def _backed_up(file: Path) -> "tuple[Store, int, Callable[[], Iterable[Record]]]":
    from msgspec import UNSET

    from library.checks.checkpoints import Store
    from library.store.backup_file import NotWhole, read

    header, _ = read(file)
    if header.kind is not UNSET:
        raise NotWhole(f"it has {header.kind}, and no events")
    store = Store(header.cluster, header.topic_id, len(header.ends))
    return store, sum(header.ends), lambda: read(file)[1]


def _kept_hashes(folder: Path) -> Callable[[int], bytes | None]:
    def kept(partition: int) -> bytes | None:
        file = folder / f"leaves-{partition}"
        return file.read_bytes() if file.exists() else None

    return kept


def _report(verified: "Verified", as_json: bool) -> int:
    import msgspec

    from foundation.cli.tables import Column, Fit, print_rows

    findings = [msgspec.to_builtins(finding) for finding in verified.findings]
    uncovered = {str(one.partition): one.uncovered for one in verified.partitions if one.uncovered}
    events = sum(one.events for one in verified.partitions)
    if as_json:
        summary = {
            "events": events,
            "checkpoints": verified.checkpoints,
            "findings": len(findings),
            "not_covered": uncovered,
        }
        if verified.signed is not None:
            summary["signed_by_writers"] = verified.signed
            summary["before_signatures"] = {str(p): count for p, count in verified.early.items()}
        print_rows([], [*findings, summary], as_json)
    elif findings:
        columns = (Column("kind"), Column("partition"), Column("event"), Column("summary", Fit.WRAPPED))
        print_rows(columns, findings)
    if not as_json:
        count = verified.checkpoints
        match = "1 checkpoint matches" if count == 1 else f"{count:,} checkpoints match"
        done = f"{match}, in {events:,} events"
        if verified.signed is not None:
            done += f", of which writers have signed {verified.signed:,}"
        click.echo(
            f"{done}; {len(findings):,} finding{'s' * (len(findings) > 1)}" if findings else done, err=True
        )
        for what, counts in (
            ("not covered, after the last checkpoint", uncovered),
            ("not signed, before the first signature", verified.early),
        ):
            if counts:
                listed = ", ".join(f"partition {p}: {count:,}" for p, count in counts.items())
                click.echo(f"{what}: {listed}", err=True)
    sys.stdout.flush()
    return exits.NOT_FOUND if findings else exits.DONE
