"""Ports of a system that nobody chose."""

import socket

from foundation.settings import Settings
from library.process.ports import HOST
from library.system.requirements import free_metrics_port
from tests.support.stable_ports import stable_ports


def test_the_projectors_metrics_get_the_first_free_ports_that_no_other_member_wants():
    ports = stable_ports(8)
    settings = Settings(port=ports[0], gateway_port=ports[1], kafka_port=ports[2], workers=2)
    assert free_metrics_port(settings, embedded=True) == ports[3]
    assert free_metrics_port(settings, embedded=False) == ports[2]
    with socket.socket() as other:
        other.bind((HOST, ports[4]))
        assert free_metrics_port(settings, embedded=True) == ports[5]


def test_the_last_ports_leave_no_room_for_metrics():
    settings = Settings(port=65_533, gateway_port=65_534, kafka_port=65_535, workers=2)
    assert free_metrics_port(settings, embedded=True) == 0
