"""Ports of a system that nobody chose, and addresses that its gateways advertise."""

import socket
from pathlib import Path

import pytest
from msgspec.structs import replace

from foundation.cli import exits
from foundation.cli.app import CommandError
from foundation.settings import Settings
from library.process.ports import HOST
from library.system import requirements
from library.system.members import parts_of, resolved
from library.system.requirements import (
    check_counts,
    check_ports,
    free_audit_port,
    free_metrics_port,
    full_disk,
)
from tests.support.stable_ports import stable_ports


def test_the_projectors_metrics_get_the_first_free_ports_that_no_other_member_wants():
    ports = stable_ports(8)
    settings = Settings(port=ports[0], gateway_port=ports[1], kafka_port=ports[2], workers=2)
    assert free_metrics_port(settings, embedded=True) == ports[3]
    assert free_metrics_port(settings, embedded=False) == ports[2]
    with socket.socket() as other:
        other.bind((HOST, ports[4]))
        assert free_metrics_port(settings, embedded=True) == ports[5]


def test_the_audit_gets_the_first_free_port_after_the_projectors():
    ports = stable_ports(8)
    settings = Settings(port=ports[0], gateway_port=ports[1], kafka_port=ports[2], workers=2)
    chosen = replace(settings, metrics_port=ports[3])
    assert free_audit_port(chosen, embedded=True) == ports[5]
    assert free_audit_port(settings, embedded=False) == ports[2]
    with socket.socket() as other:
        other.bind((HOST, ports[5]))
        assert free_audit_port(chosen, embedded=True) == ports[6]


def test_the_last_ports_leave_no_room_for_metrics():
    settings = Settings(port=65_533, gateway_port=65_534, kafka_port=65_535, workers=2)
    assert free_metrics_port(settings, embedded=True) == 0


@pytest.mark.parametrize(
    ("advertise", "of_the_second"),
    [
        ("", ""),
        ("http://books.example:9000", "http://books.example:9001"),
        ("http://books.example", "http://books.example:81"),
        ("https://books.example/desk", "https://books.example:444/desk"),
        ("http://[fd00::2]:9000", "http://[fd00::2]:9001"),
    ],
)
def test_each_gateway_advertises_a_port_of_its_own(advertise, of_the_second):
    settings = Settings(data_dir="/nowhere", advertise=advertise, gateways=2)
    first, second = (
        program.environment["LIBRARY_ADVERTISE"]
        for program in parts_of(resolved(settings, Path("/"), embedded=True), embedded=True).servers
        if program.name.startswith("gateway")
    )
    assert (first, second) == (advertise, of_the_second)


def test_an_advertised_port_without_room_for_all_gateways_is_refused():
    with pytest.raises(CommandError, match="leaves no port for the last gateway"):
        check_ports(Settings(advertise="http://books.example:65534", gateways=3), embedded=True)


@pytest.mark.parametrize(("flag", "settings"), [
    ("--workers 9", Settings(workers=9, partitions=4)),
    ("--gateways 1000", Settings(gateways=1000)),
])  # fmt: skip
def test_more_processes_than_two_a_partition_are_refused(flag: str, settings: Settings):
    with pytest.raises(
        CommandError, match=f"{flag} is too many for {settings.partitions} partitions"
    ) as found:
        check_counts(settings)
    assert found.value.exit_code == exits.MALFORMED


def test_two_processes_a_partition_are_accepted():
    check_counts(Settings(workers=8, gateways=8, partitions=4))


def test_a_disk_without_room_is_named_before_anything_waits_for_it(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(requirements, "FULL_DISK_BYTES", 0)
    assert full_disk(tmp_path) == ""
    monkeypatch.setattr(requirements, "FULL_DISK_BYTES", 10**18)
    assert full_disk(tmp_path).endswith(f"MB are free at {tmp_path}: the start may wait for room")
