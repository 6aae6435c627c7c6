"""Consumer groups as an operator sees them."""

from collections.abc import Callable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from eventstore import groups as groups_of_the_store
from foundation.cli.app import CommandError
from foundation.settings import Settings
from library.commands.groups import checked_group
from library.store import groups
from library.store.groups import members


class Admin:
    """A client that answers each request with the next of ``answers``: an error code or a group's members."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def __call__(self, config):
        return self

    def describe_consumer_groups(self, names, request_timeout):
        answer = self.answers.pop(0)
        future: Future[SimpleNamespace] = Future()
        if isinstance(answer, int):
            future.set_exception(KafkaException(KafkaError(answer)))
        else:
            future.set_result(SimpleNamespace(members=answer))
        return {names[0]: future}


class Listing:
    """Lists groups, and the errors of brokers that did not answer."""

    def __init__(self, *errors):
        self.errors = [KafkaError(code) for code in errors]

    def list_consumer_groups(self, request_timeout):
        future: Future[SimpleNamespace] = Future()
        future.set_result(SimpleNamespace(valid=[SimpleNamespace(group_id="g")], errors=self.errors))
        return future


def test_a_list_without_the_groups_of_some_broker_is_no_list():
    whole: Any = Listing()
    assert groups.group_names(whole) == ["g"]
    lacking: Any = Listing(KafkaError._TIMED_OUT)
    with pytest.raises(KafkaException):
        groups.group_names(lacking)


@pytest.mark.parametrize(("name", "owner"), [("projector", "the projector's"), ("gateways", "the gateways'")])
def test_a_reader_can_not_join_a_group_of_ours(name, owner):
    with pytest.raises(CommandError, match=f"{owner} group: choose another name"):
        checked_group(Settings(name="books"), f" books-{name} ")
    assert checked_group(Settings(name="books"), f"library-{name}") == f"library-{name}"


MEMBER = SimpleNamespace(group_instance_id=None, client_id="the-report", host="/127.0.0.1")


@pytest.fixture
def members_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """The members of a group of which a client gets the given answers."""

    def found(*answers: Any) -> list[str]:
        monkeypatch.setattr(groups_of_the_store, "AdminClient", Admin(*answers))
        return members(Settings(), "g")

    return found


def test_a_new_brokers_coordinator_is_waited_for(members_of):
    answers = KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS, [MEMBER]
    assert members_of(*answers) == ["the-report at 127.0.0.1"]


def test_an_unknown_group_has_no_members(members_of):
    assert members_of(KafkaError.GROUP_ID_NOT_FOUND) == []


@pytest.mark.parametrize("code", [KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.NOT_COORDINATOR])
def test_another_error_and_a_coordinator_that_stays_away_are_raised(code, members_of, monkeypatch):
    monkeypatch.setattr(groups, "TIMEOUT_S", -1)
    with pytest.raises(KafkaException) as raised:
        members_of(code)
    assert raised.value.args[0].code() == code
