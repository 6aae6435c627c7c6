"""How the end of a killed broker's session is recognised in what the controller says."""

from pathlib import Path

import pytest

from library.broker.after_kill import as_controller, session_ended, was_killed
from library.broker.properties import one_node

REGISTERED = (
    b"Replayed initial RegisterBrokerRecord for broker 1: RegisterBrokerRecord(brokerId=1, fenced=true, x=0)"
)
ALIVE = (
    b"Replayed BrokerRegistrationChangeRecord modifying the registration for broker 1: "
    b"BrokerRegistrationChangeRecord(brokerId=1, brokerEpoch=14, fenced=-1, inControlledShutdown=0)"
)
STOPPING = ALIVE.replace(b"fenced=-1", b"fenced=0").replace(b"Shutdown=0", b"Shutdown=1")
FENCED = ALIVE.replace(b"fenced=-1", b"fenced=1")
ACTIVE = b"Becoming the active controller at epoch 2, next write offset 19."
DECIDED = b"Read-write operation maybeFenceStaleBroker(19) will be completed when the log reaches offset 19."
OTHER = b"Processed maybeFenceStaleBroker(18) in 20 us"
WRITTEN = b"Processed maybeFenceStaleBroker(19) in 56735 us"


@pytest.mark.parametrize(
    "said",
    [
        [REGISTERED, ALIVE, ACTIVE, DECIDED, FENCED, OTHER, WRITTEN],
        [REGISTERED, ALIVE, STOPPING, ACTIVE, DECIDED, WRITTEN],
        [REGISTERED, ACTIVE],
        [REGISTERED, ALIVE, FENCED, ACTIVE],
        [ACTIVE],
    ],
)
def test_a_session_has_ended_once_the_controllers_log_says_so(said: list[bytes]):
    assert session_ended(said)
    assert not session_ended(said[:-1])


def test_a_broker_without_a_clean_shutdown_file_was_killed(tmp_path: Path):
    assert not was_killed(tmp_path)
    (tmp_path / "meta.properties").touch()
    assert was_killed(tmp_path)
    (tmp_path / ".kafka_cleanshutdown").touch()
    assert not was_killed(tmp_path)


def test_a_controller_alone_uses_its_usual_listener(tmp_path: Path):
    alone = as_controller(one_node(tmp_path, 9092, 9093, "disk"))
    assert (alone["process.roles"], alone["listeners"]) == ("controller", "CONTROLLER://127.0.0.1:9093")
