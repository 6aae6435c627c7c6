"""The operator's commands on a store of a given size: verify, backup, restore, replay."""

import time
from collections.abc import Iterator

from confluent_kafka.admin import AdminClient

from benchmarks.size.programs import Figure, api, options, projector, run
from benchmarks.size.store import Store
from eventstore.topics import events_topic
from foundation.kafka_clients import client_config
from schemas.topics import changelog_topic


def verify(store: Store) -> Iterator[Figure]:
    """Verify the table alone, then the table and the query API."""
    with api(store) as server:
        for part, more in (("verify, table", ["--table-only"]), ("verify", ["--api", server.url])):
            done = run("library", "verify", "--json", *more, *options(store))
            assert done.json()["differences"] == 0, done.printed
            yield from done.figures(part, store, "event", store.facts.events)


def backup_and_restore(store: Store) -> Iterator[Figure]:
    """Write a backup, then restore it into a new store, which is deleted afterwards."""
    file = store.folder / "backup.gz"
    file.unlink(missing_ok=True)
    done = run("library", "backup", str(file), "--json", *options(store))
    events = done.json()["events"]
    yield from done.figures("backup", store, "event", events)
    copy = ["--kafka", store.settings.kafka, "--name", f"{store.settings.name}-restored"]
    try:
        done = run("library", "restore", str(file), *copy, "--data-dir", str(store.folder / "restored"))
        yield from done.figures("restore", store, "event", events)
    finally:
        file.unlink()
        _delete(store, f"{store.settings.name}-restored")


def replay(store: Store) -> Iterator[Figure]:
    """Replay the projector on its existing table, from its start to its group's lag of 0."""
    with projector(store):
        pass
    run("library", "replay", *options(store))
    begun = time.perf_counter()
    with projector(store) as processes:
        seconds = time.perf_counter() - begun
    events = store.facts.events
    yield Figure("replay", "µs/event", store.titles, round(seconds / events * 1e6, 1))
    yield Figure("replay", "CPU µs/event", store.titles, round(processes.cpu_seconds / events * 1e6, 1))
    yield Figure("replay", "MB", store.titles, round(processes.peak_mb))


def _delete(store: Store, name: str) -> None:
    settings = store.settings
    admin = AdminClient(client_config(settings))
    own = [events_topic(settings), changelog_topic(settings)]
    copies = [name + topic.removeprefix(settings.name) for topic in own]
    for deleted in admin.delete_topics(copies).values():
        deleted.result()
