"""``library restore``: fill an empty event store from a backup."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings
from library.commands.restored_events import Source, home_of, restore_events
from library.commands.restored_names import name_borrowers
from library.commands.restored_pseudonyms import restore_with_tokens
from library.commands.succession import read_signers, write_successor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evidence.note import Signer
    from foundation.settings import Settings
    from library.store.backup_file import Record


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@with_settings("data_dir", "kafka", "name", "partitions", "replication", "deadline")
@click.option("--check", "only_check", is_flag=True, help="Only check that FILE is complete.")
@click.option("--names", is_flag=True, help="FILE is from `backup --names`: give borrowers their names back.")
@click.option("--pseudonymise", is_flag=True, help="Give borrowers tokens, and keep their names apart.")
@click.option(
    "--successor",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a signed note that the new store has these events.",
)
@click.option(
    "--signing-key",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The private key that signs it.",
)
def restore(
    settings: "Settings",
    file: Path,
    only_check: bool,
    names: bool,
    pseudonymise: bool,
    successor: Path | None,
    signing_key: Path | None,
) -> int:
    """Fill an empty event store from FILE.

    Every event keeps its version, ids, headers and time. The number of partitions may differ: a restore is
    the way to change it. Positions (partition:offset) change. Run an interrupted restore again, and it
    continues where it stopped; a store with any other event is refused.

    A store that keeps the names of borrowers apart gets tokens only: a FILE with user ids needs
    --pseudonymise. A store that does not exist is made: as FILE's was, with user ids or with tokens.

    With --pseudonymise the events get tokens in place of user ids, and new digests of their commands. Then
    the new store is searched for each user id of FILE: it ends with 4 where callers have typed one into
    another text. The old store and its backups still have all names.

    With --names nobody comes back who was forgotten, and the system may run meanwhile.

    With --successor checkpoints of the old store stay of use: the note has the state of all its partitions,
    and of those of the new store. `library verify` reads it.
    """
    from msgspec import UNSET

    from library.store.backup_file import NotWhole, check, read
    from library.store.pseudonyms import FirstBorrower

    first = FirstBorrower()
    try:
        header, digest = check(file, first.look)
        if header.kind is not UNSET and not (names or only_check):
            raise NotWhole("it has the names of borrowers, and no events: give --names")
    except (NotWhole, OSError) as error:
        raise CommandError(
            exits.BAD_DATA, f"{file} can't be used, and nothing was written: {error}"
        ) from error
    if only_check:
        store = f"{header.name}, {header.written_at:%Y-%m-%d %H:%M} UTC, {len(header.ends)} partitions"
        click.echo(f"complete: {digest.records:,} events of {store}; digest {digest.text()}", err=True)
        return exits.DONE
    signers = _signers(successor, signing_key, changes_events=names or pseudonymise)
    if names:
        if pseudonymise:
            raise CommandError(exits.MALFORMED, "give --names or --pseudonymise, not both")
        name_borrowers(settings, file)
        return exits.DONE
    if pseudonymise:
        return restore_with_tokens(settings, file)
    restore_events(settings, Source(file, lambda: read(file)[1], digest, first.has_token))
    if len(header.ends) != settings.partitions:
        _report_signatures(settings, read(file)[1])
    if successor is not None:
        home = partial(home_of, partitions=settings.partitions)
        write_successor(settings, file, home, signers, successor)
    return exits.DONE


def _signers(successor: Path | None, key: Path | None, *, changes_events: bool) -> "list[Signer]":
    """The keys that sign a successor; none without one. Raises CommandError."""
    if (successor is None) != (key is None):
        raise CommandError(exits.MALFORMED, "--successor and --signing-key need each other")
    if key is None:
        return []
    if changes_events:
        raise CommandError(
            exits.MALFORMED, "--successor is of the events of FILE: give neither --names nor --pseudonymise"
        )
    return read_signers(key)


def _report_signatures(settings: "Settings", records: "Iterator[Record]") -> None:
    """Warn that the writers' signatures were made for another number of partitions."""
    from library.store.writer_signatures import signed_events

    for partitions, count in sorted(signed_events(records).items()):
        here = (
            "as in this one, but in other places: its notary and `library verify --writers` report them as "
            "forged. Restore FILE into another number of partitions"
            if partitions == settings.partitions
            else "here they count as not signed. FILE and a --successor are their evidence: keep both"
        )
        click.echo(
            f"{count:,} events were signed by writers in a store of {partitions} partitions; {here}", err=True
        )
