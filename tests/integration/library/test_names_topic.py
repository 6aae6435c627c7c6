"""``library topics create --names``: only a store without an event can keep the names of borrowers apart."""

from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from foundation.kafka_clients import client_config
from foundation.settings import Settings
from inventory.commands import AddBook, BorrowBook
from library.checks.borrowers import borrowers
from library.checks.finding import Grade
from library.commands.topics import create
from library.process.program import CannotStart
from library.system.members import parts_of
from producer.client import execute
from schemas.topics import NAMES_CONFIG, ensure_names_topic, has_names, names_topic
from tests.support.library.command_runner import run_command
from tests.support.waiting import eventually


@pytest.fixture
def settings(new_settings: Callable[..., Settings]) -> Settings:
    return new_settings(partitions=2, gateway="")


def test_a_new_store_gets_the_topic_and_a_second_call_changes_nothing(settings: Settings):
    admin = AdminClient(client_config(settings))
    assert not has_names(admin, settings)
    for _ in range(2):
        done = run_command(create, settings, "--names")
        assert done.exit_code == 0, done.stderr
        assert f"{names_topic(settings)} exists" in done.stderr
    resource = ConfigResource(ResourceType.TOPIC, names_topic(settings))
    found = admin.describe_configs([resource])[resource].result(20)
    assert {name: found[name].value for name in NAMES_CONFIG} == NAMES_CONFIG
    assert len(admin.list_topics(names_topic(settings)).topics[names_topic(settings)].partitions) == 1


def test_a_system_makes_the_topic_before_its_gateway_runs(settings: Settings):
    parts_of(settings, embedded=False, names=True).topics()
    assert has_names(AdminClient(client_config(settings)), settings)


def test_a_store_with_an_event_stays_as_it_is_and_the_way_is_named(settings: Settings):
    execute(settings, "one", AddBook("9781593275846", "Elixir in Action"))
    done = run_command(create, settings, "--names")
    assert done.exit_code == 1
    assert "library restore FILE --pseudonymise" in done.stderr
    with pytest.raises(CannotStart, match="pseudonymise"):
        parts_of(settings, embedded=False, names=True).topics()
    assert not has_names(AdminClient(client_config(settings)), settings)


def test_doctor_finds_that_the_names_were_lost(settings: Settings):
    admin = AdminClient(client_config(settings))
    ensure_names_topic(admin, settings)
    execute(settings, "one", AddBook("9781593275846", "Elixir in Action"))
    execute(settings, "two", BorrowBook("9781593275846", "card"))
    admin.delete_topics([names_topic(settings)])[names_topic(settings)].result(20)
    eventually(lambda: not has_names(admin, settings))
    (lost,) = borrowers(admin, settings)
    assert lost.grade is Grade.BROKEN


def test_doctor_says_whether_a_borrower_can_be_forgotten_and_which_setting_delays_it(settings: Settings):
    admin = AdminClient(client_config(settings))
    (today,) = borrowers(admin, settings)
    assert (today.grade, "--pseudonymise" in today.found) == (Grade.FINE, True)
    ensure_names_topic(admin, settings)
    (apart,) = borrowers(admin, settings)
    assert (apart.grade, "apart" in apart.found) == (Grade.FINE, True)
    entry = ConfigEntry("segment.ms", "604800000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, names_topic(settings), incremental_configs=[entry])
    admin.incremental_alter_configs([resource])[resource].result(20)
    (slow,) = eventually(lambda: [one for one in borrowers(admin, settings) if one.grade is Grade.WARNING])
    assert "segment.ms=604800000" in slow.found
    assert slow.fix.endswith("--add-config segment.ms=3600000")
