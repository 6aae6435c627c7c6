"""The ACLs for a Kafka that others use too."""

import pytest

from eventstore.topics import Table, events_topic, fence_id
from foundation.settings import Settings
from library.store.acls import GROUP, TOPIC, TRANSACTIONS, Users, commands, needed, needed_for
from schemas.topics import names_topic

USERS = Users(writer="w", projector="p", api="a", notary="n", operator="o", readers={"overdue": "r"})


@pytest.mark.parametrize("partition", [0, 7, 10, 9999])
def test_the_writer_may_claim_the_fence_of_every_partition(partition):
    settings = Settings(name="town")
    access = [
        a for a in needed(settings, USERS) if (a.user, a.resource) == ("w", TRANSACTIONS) and a.prefixed
    ]
    assert [a for a in access if fence_id(settings, partition).startswith(a.name)]
    assert not [a for a in access if fence_id(Settings(name="town-2"), partition).startswith(a.name)]


def test_only_writer_api_and_operator_may_read_the_names_of_borrowers():
    settings = Settings(name="town")
    allowed = {a.user: a.operations for a in needed(settings, USERS) if a.name == names_topic(settings)}
    assert sorted(user for user, operations in allowed.items() if "Read" in operations) == ["a", "o", "w"]
    assert sorted(user for user, operations in allowed.items() if "Write" in operations) == ["o", "w"]
    assert not [
        a
        for a in needed(settings, USERS)
        if a.prefixed and names_topic(settings).startswith(a.name) and a.resource == TOPIC
    ]


def test_only_the_writer_may_write_events():
    writing = [
        a.user for a in needed(Settings(), USERS) if "Write" in a.operations and a.name == "library.events"
    ]
    assert writing == ["w"]


def test_the_notary_may_read_events_and_write_checkpoints_only():
    access = [a for a in needed(Settings(), USERS) if a.user == "n"]
    assert {a.name for a in access if "Write" in a.operations} == {"library.checkpoints"}
    assert {a.name for a in access if "Read" in a.operations} == {
        "library.events",
        "library.checkpoints",
        "library-notary",
    }


def test_each_access_is_a_command_that_a_shell_can_run():
    lines = commands("k:9092", needed(Settings(), USERS))
    assert lines[2] == (
        "kafka-acls.sh --bootstrap-server k:9092 --add --allow-principal User:w --operation Write "
        "--operation Describe --transactional-id library.events- --resource-pattern-type prefixed"
    )


def test_another_projection_gets_its_own_changelog_group_and_transactions_and_no_event_to_write():
    settings, loans = Settings(name="town"), Table("patron-loans", "loans")
    access = needed_for(settings, USERS, loans)
    written = {(a.user, a.name) for a in access if "Write" in a.operations}
    changelog = "town-patron-loans-loans-changelog"
    assert written == {("p", changelog), ("p", f"{changelog}-")}
    assert ("p", "town-patron-loans") in {(a.user, a.name) for a in access if a.resource == GROUP}
    others = {(a.user, a.name) for a in needed(settings, USERS)}
    assert {(a.user, a.name) for a in access} & others == {
        ("p", events_topic(settings)),
        ("p", "town-unused"),
        ("a", "town-unused"),
    }
