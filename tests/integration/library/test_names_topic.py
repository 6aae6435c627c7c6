"""A new store keeps the names of borrowers apart; one that exists stays as it is."""

from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from msgspec.structs import replace

from eventstore import topics
from eventstore.topics import events_exist, events_topic, exists
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from inventory.commands import AddBook, BorrowBook
from library.checks.borrowers import borrowers
from library.checks.finding import Grade
from library.commands.topics import create
from library.process.program import CannotStart
from library.store import names as creation
from library.system.members import parts_of
from producer.client import execute
from schemas.topics import NAMES_CONFIG, ensure_names_topic, has_names, names_topic
from tests.support.library.command_runner import run_command
from tests.support.stores import alter_topic
from tests.support.waiting import eventually


@pytest.fixture
def settings(new_settings: Callable[..., Settings]) -> Settings:
    """A store with user ids in its events, still empty."""
    return new_settings(partitions=2, gateway="")


@pytest.fixture
def nothing(settings: Settings) -> Settings:
    """A store that does not exist yet."""
    return replace(settings, name=f"{settings.name}-new")


def admin_of(settings: Settings) -> AdminClient:
    return AdminClient(client_config(settings))


def keeps_names_apart(settings: Settings) -> bool:
    admin = admin_of(settings)
    assert exists(admin, events_topic(settings))
    return has_names(admin, settings)


def system_of(settings: Settings, names: bool | None = None) -> Callable[[], None]:
    """What `library up` does to the topics."""
    return parts_of(settings, embedded=False, names=names).topics


@pytest.mark.parametrize("options", [[], ["--names"]])
def test_a_new_store_gets_the_topic_and_a_second_call_changes_nothing(nothing: Settings, options: list[str]):
    for _ in range(2):
        done = run_command(create, nothing, *options)
        assert done.exit_code == 0, done.stderr
        assert f"{names_topic(nothing)} exists" in done.stderr
    assert keeps_names_apart(nothing)
    admin, resource = admin_of(nothing), ConfigResource(ResourceType.TOPIC, names_topic(nothing))
    found = admin.describe_configs([resource])[resource].result(20)
    assert {name: found[name].value for name in NAMES_CONFIG} == NAMES_CONFIG
    assert len(admin.list_topics(names_topic(nothing)).topics[names_topic(nothing)].partitions) == 1


def test_a_system_makes_the_topic_before_its_gateway_runs(nothing: Settings):
    for _ in range(2):
        system_of(nothing)()
        assert keeps_names_apart(nothing)


def test_a_new_store_of_another_projection_gets_the_topic(nothing: Settings):
    done = run_command(create, nothing, "--projection", "examples.patron_loans.projection:PROJECTION")
    assert done.exit_code == 0, done.stderr
    assert keeps_names_apart(nothing)


@pytest.mark.parametrize("begin", [system_of, lambda store: lambda: run_command(create, store)])
def test_a_start_that_is_killed_between_the_topics_is_repeated(
    nothing: Settings, monkeypatch: pytest.MonkeyPatch, begin: Callable[[Settings], Callable[[], object]]
):
    class Killed(BaseException):
        pass

    def killed_after(create_some: Callable[..., None]) -> Callable[..., None]:
        def killed(*arguments: object) -> None:
            create_some(*arguments)
            raise Killed

        return killed

    with monkeypatch.context() as patched:
        for some in ("ensure_topics", "ensure_names_topic"):
            patched.setattr(creation, some, killed_after(getattr(creation, some)))
        with pytest.raises(Killed):
            begin(nothing)()
    begin(nothing)()
    assert keeps_names_apart(nothing)


@pytest.mark.parametrize("events", [0, 1])
def test_a_store_with_user_ids_stays_as_it_is(settings: Settings, events: int):
    for _ in range(events):
        execute(settings, "one", AddBook("9781593275846", "Elixir in Action"))
    for options in ([], ["--no-names"]):
        done = run_command(create, settings, *options)
        assert (done.exit_code, names_topic(settings) in done.stderr) == (0, False), done.stderr
    system_of(settings)()
    assert not keeps_names_apart(settings)


def test_a_store_without_an_event_gets_the_topic_on_request(settings: Settings):
    system_of(settings, names=True)()
    assert keeps_names_apart(settings)


def test_a_store_with_an_event_refuses_the_topic_and_names_the_way(settings: Settings):
    execute(settings, "one", AddBook("9781593275846", "Elixir in Action"))
    done = run_command(create, settings, "--names")
    assert done.exit_code == 1
    assert "library restore FILE --pseudonymise" in done.stderr
    with pytest.raises(CannotStart, match="pseudonymise"):
        system_of(settings, names=True)()
    assert not keeps_names_apart(settings)


def test_a_new_store_can_have_user_ids_and_one_with_names_can_not(nothing: Settings, settings: Settings):
    assert run_command(create, nothing, "--no-names").exit_code == 0
    assert not keeps_names_apart(nothing)
    ensure_names_topic(admin_of(settings), settings)
    done = run_command(create, settings, "--no-names")
    assert (done.exit_code, "--no-names --data-dir DIR" in done.stderr) == (1, True), done.stderr
    with pytest.raises(CannotStart, match="keeps the names of borrowers apart"):
        system_of(settings, names=False)()


def test_a_broker_that_does_not_know_the_store_yet_is_not_believed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(topics, "exists", lambda *_: False)
    assert events_exist(admin_of(settings), settings)


def test_doctor_finds_that_the_names_were_lost(settings: Settings):
    admin = admin_of(settings)
    ensure_names_topic(admin, settings)
    execute(settings, "one", AddBook("9781593275846", "Elixir in Action"))
    execute(settings, "two", BorrowBook("9781593275846", "card"))
    admin.delete_topics([names_topic(settings)])[names_topic(settings)].result(20)
    eventually(lambda: not has_names(admin, settings))
    (lost,) = borrowers(admin, settings)
    assert lost.grade is Grade.BROKEN


def test_doctor_says_whether_a_borrower_can_be_forgotten_and_which_setting_delays_it(settings: Settings):
    admin = admin_of(settings)
    (today,) = borrowers(admin, settings)
    assert (today.grade, "--pseudonymise" in today.found) == (Grade.FINE, True)
    ensure_names_topic(admin, settings)
    (apart,) = borrowers(admin, settings)
    assert (apart.grade, "apart" in apart.found) == (Grade.FINE, True)
    alter_topic(admin, names_topic(settings), {"segment.ms": "604800000"})
    (slow,) = eventually(lambda: [one for one in borrowers(admin, settings) if one.grade is Grade.WARNING])
    assert "segment.ms=604800000" in slow.found
    assert slow.fix.endswith("--add-config segment.ms=3600000")
