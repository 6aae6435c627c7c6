"""Whether a member of the system answers, and not another program on its port."""

import json
import os
import time

import pytest

from library.system import members
from library.system.members import Heartbeat
from library.system.readiness import API, is_alive, is_ready, trouble_of
from tests.support import http_server


def answering(status: int, body: bytes):
    """A program that answers every request alike; its address."""

    class Handler(http_server.Handler):
        def do_GET(self):
            self.respond(status, body)

    return http_server.serving(Handler)


@pytest.mark.parametrize(
    ("status", "report", "ready", "alive"),
    [
        (200, {"ready": True, "trouble": None, "service": "api"}, True, True),
        (503, {"ready": False, "trouble": "Kafka is away", "service": "api"}, False, True),
        (200, {"ready": True, "troubles": {}, "service": "gateway"}, False, False),
        (200, {}, False, False),
        (200, [], False, False),
        (404, {"detail": "not found"}, False, False),
    ],
)
def test_only_the_service_itself_counts_as_ready_or_alive(status, report, ready, alive):
    with answering(status, json.dumps(report).encode()) as url:
        assert (is_ready(url, API), is_alive(url, API)) == (ready, alive)


@pytest.mark.parametrize("body", [b"", b"<html>hello</html>", b"\xff"])
def test_another_program_on_the_port_is_neither_ready_nor_alive(body):
    with answering(200, body) as url:
        assert not is_ready(url, API)
        assert not is_alive(url, API)
        assert "another program answers" in trouble_of(url, API)


def test_a_heartbeat_stops_when_the_file_is_not_touched_any_more(tmp_path, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    file = tmp_path / "projector-0.ready"
    heartbeat = Heartbeat(file)
    assert not heartbeat.beats(), "there is no file"
    file.touch()
    assert heartbeat.beats()
    clock[0] += members.HEARTBEAT_LIMIT_S - 1
    assert heartbeat.beats()
    clock[0] += 2
    assert not heartbeat.beats()
    # Also when the machine's clock was set back
    os.utime(file, (0, 0))
    assert heartbeat.beats()
