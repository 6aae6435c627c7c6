"""The view of names against a real broker, and the answers of a query API that has one."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

import pytest
from confluent_kafka.admin import AdminClient

from foundation.kafka_clients import client_config
from foundation.settings import Settings
from library.commands.events import events
from schemas.codec import encode
from schemas.events import BookAdded, BookBorrowed, Event
from schemas.names_view import NamesUnknown, NamesView
from schemas.patrons import PatronName, name_key, new_token
from schemas.reader import open_reader
from schemas.topics import identify, names_topic
from tests.support.library.command_runner import run_command
from tests.support.library.event_writer import write_events
from tests.support.names_writer import NamesWriter
from tests.support.query_api.api_process import ApiProcess
from tests.support.query_api.store_writer import StoreWriter
from tests.support.steady_writes import steady_writes
from tests.support.waiting import eventually

A = "9781593275846"
AT = 1714564800123


@contextmanager
def viewing(settings: Settings) -> Iterator[NamesView]:
    view = NamesView(settings)
    view.start()
    try:
        eventually(lambda: view.ready)
        yield view
    finally:
        view.stop()


def test_a_view_has_what_was_recorded_and_forgets(settings: Settings):
    writer = NamesWriter(settings)
    ann, bob = writer.register("ann", "bob")
    writer.abort([(name_key(new_token()), encode(PatronName("ann", 1)))])
    with viewing(settings) as view:
        view.catch_up(20)
        assert (view.user_of(ann), view.token_of("bob"), len(view.directory)) == ("ann", bob, 2)
        writer.forget(ann)
        view.catch_up(20)
        assert (view.user_of(ann), view.token_of("ann"), list(view.logged)) == (None, None, [ann])
        assert not view.unresolved([ann, bob])
    with viewing(settings) as fresh:
        fresh.catch_up(20)
        assert (fresh.user_of(ann), fresh.user_of(bob), list(fresh.logged)) == (None, "bob", [ann])


def test_a_view_is_ready_although_borrowers_are_registered_all_the_time(settings: Settings):
    NamesWriter(settings)

    def borrower(writer: int, number: int) -> tuple[bytes, bytes]:
        return name_key(new_token()), encode(PatronName(f"{writer}-{number}", AT))

    with steady_writes(settings, names_topic(settings), borrower), viewing(settings) as view:
        view.catch_up(20)
        assert len(view.directory) > 0


def test_catching_up_waits_for_a_transaction_that_is_still_open(settings: Settings):
    writer = NamesWriter(settings)
    token = new_token()
    with viewing(settings) as view:
        writer.begin([(name_key(token), encode(PatronName("ann", 1)))])
        assert view.unresolved([token])
        with pytest.raises(NamesUnknown):
            view.catch_up(0.2, [token])
        assert view.unresolved([token])
        Timer(0.1, writer.end).start()
        view.catch_up(20, [token])
        assert view.user_of(token) == "ann"


def test_names_can_be_kept_apart_after_the_view_was_started(settings: Settings):
    with viewing(settings) as view:
        assert view.exists is False
        assert (view.user_of("ann"), view.token_of("ann")) == ("ann", "ann")
        (token,) = NamesWriter(settings).register("ann")
        assert view.unresolved([token])
        view.catch_up(20, [token])
        assert (view.user_of(token), view.exists) == ("ann", True)


def test_another_topic_of_the_same_name_makes_the_view_forget_everything(settings: Settings):
    (ann,) = NamesWriter(settings).register("ann")
    admin = AdminClient(client_config(settings))
    with viewing(settings) as view:
        eventually(lambda: view.user_of(ann) == "ann")
        admin.delete_topics([names_topic(settings)])[names_topic(settings)].result()
        eventually(lambda: view.user_of(ann) != "ann")
        (bob,) = NamesWriter(settings).register("bob")
        eventually(lambda: view.user_of(bob) == "bob" and view.token_of("ann") is None)


def test_a_query_api_answers_with_names_until_they_are_forgotten(settings: Settings):
    names = NamesWriter(settings)
    ann, bob = names.register("card-0048213", "card-0048214")
    store = StoreWriter(settings, identify(AdminClient(client_config(settings)), settings))
    store.commit(BookAdded(A, "T", "", 2, AT), BookBorrowed(A, ann, AT + 1, AT + 99_000))
    api = ApiProcess(settings).start()
    try:
        (late,) = names.register("late")
        position = store.commit(BookBorrowed(A, late, AT + 2, AT + 99_000))[-1]
        found = api.client.get("/loans", params={"after": str(position), "timeout": "20"}).json()["items"]
        assert {(loan["user_id"], loan["patron"]) for loan in found} == {
            ("card-0048213", ann), ("late", late),
        }  # fmt: skip
        assert api.client.get(f"/patrons/{bob}").json()["user_id"] == "card-0048214"
        names.forget(bob)
        eventually(lambda: api.client.get(f"/patrons/{bob}").status_code == 404)
        api.kill()
        api.start()
        assert api.client.get(f"/patrons/{bob}").json()["code"] == "forgotten"
        assert api.client.get("/loans", params={"user_id": "card-0048213"}).json()["items"]
    finally:
        api.stop()
    for file in Path(settings.data_dir).rglob("*"):
        assert not file.is_file() or b"card-00482" not in file.read_bytes(), file


def borrowed(*users: str) -> list[tuple[int, Event]]:
    """Versions and events of a title that these borrowers have."""
    lent = [BookBorrowed(A, user, AT, AT) for user in users]
    return list(enumerate([BookAdded(A, "T", "", 2, AT), *lent], 1))


def test_a_reader_with_names_knows_every_borrower_until_one_is_forgotten(settings: Settings):
    writer = NamesWriter(settings)
    ann, bob = writer.register("ann", "bob")
    write_events(settings, borrowed(ann, bob))
    with open_reader(settings=settings, names=True) as reader:
        found = [reader.user_id(record.event) for batch in reader.batches() for record in batch]
        assert found == [None, "ann", "bob"]
        writer.forget(ann)
        reader.names.catch_up(20)
        assert [reader.user_id(event) for _, event in borrowed(ann, bob)] == [None, None, "bob"]


def test_events_are_printed_with_names_when_that_is_wanted(settings: Settings):
    writer = NamesWriter(settings)
    ann, bob = writer.register("ann", "bob")
    write_events(settings, borrowed(ann, bob))
    writer.forget(bob)
    _, *plain = map(json.loads, run_command(events, settings).stdout.splitlines())
    assert [event["data"]["user_id"] for event in plain] == [ann, bob]
    _, *named = map(json.loads, run_command(events, settings, "--names").stdout.splitlines())
    shown = [(event["data"]["user_id"], event["data"]["patron"]) for event in named]
    assert shown == [("ann", ann), (None, bob)]
