"""Settings that can't work on this machine, refused before anything starts."""

import shutil
from pathlib import Path
from urllib.parse import urlsplit

from foundation.cli import exits
from foundation.cli.app import CommandError
from foundation.http.addresses import UnknownHost, bracketed, resolve
from foundation.http.origins import DEFAULT_PORTS
from foundation.settings import Settings
from library.process.ports import HOST, is_free, require_free

MAX_PORT = 65535
FULL_DISK_BYTES = 200_000_000
"""With less room Kafka, which makes large files in advance, soon ends."""
PROCESSES_A_PARTITION = 2
"""Workers, and gateways: the one that has the partition, and one that waits to take it over."""


def check_data_dir(data_dir: str, folder: Path, embedded: bool) -> None:
    """Raises CommandError for a data directory whose path a member of the system can't use.

    Every other character works; tests/system/test_data_dirs.py shows it.
    """
    if not data_dir:
        raise _refused(data_dir, "it is empty")
    if data_dir.startswith("~"):
        raise _refused(data_dir, "only a shell expands ~; a folder of this name is ./~")
    path = str((folder / data_dir).absolute())
    if "\0" in path:
        raise _refused(path, "it contains a null character")
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise _refused(path, "it is not valid UTF-8") from error
    if embedded and "," in path:
        raise _refused(path, "it contains a comma, which separates directories in Kafka's configuration")


def full_disk(data_dir: Path) -> str:
    """The warning of a start on a disk without room; empty: there is room.

    The members wait for room then, and have none for a log line that says so.
    """
    free = shutil.disk_usage(data_dir).free
    if free >= FULL_DISK_BYTES:
        return ""
    return f"only {free / 1e6:.1f} MB are free at {data_dir}: the start may wait for room"


def check_counts(settings: Settings) -> None:
    """Raises CommandError for more processes than one machine can use: a partition has one of each kind."""
    for flag, count in (("--workers", settings.workers), ("--gateways", settings.gateways)):
        check_count(flag, count, settings.partitions)


def check_count(flag: str, count: int, partitions: int) -> None:
    """Raises CommandError for more processes of one kind than the partitions can use."""
    most = PROCESSES_A_PARTITION * partitions
    if count > most:
        raise CommandError(
            exits.MALFORMED,
            f"{flag} {count} is too many for {partitions} partitions: each has one, and the others wait. "
            f"Use at most {most}",
        )


def check_ports(settings: Settings, embedded: bool) -> None:
    """Raises CommandError if members want the same port, or there is no such port, or no such host."""
    _address(settings)
    taken: dict[int, str] = {}
    for port, member, flag in wanted_ports(settings, embedded):
        if port > MAX_PORT:
            raise CommandError(exits.MALFORMED, f"there is no port {port}, for {member}: lower {flag}")
        if port in taken:
            raise CommandError(
                exits.MALFORMED, f"port {port} is wanted twice, for {taken[port]} and for {member} ({flag})"
            )
        taken[port] = f"{member} ({flag})"
    try:
        advertised_address(settings, settings.gateways - 1)
    except ValueError as error:
        raise CommandError(
            exits.MALFORMED, f"LIBRARY_ADVERTISE={settings.advertise} leaves no port for the last gateway"
        ) from error


def require_ports(settings: Settings, embedded: bool) -> None:
    """Raises PortInUse for a port that another program holds, CommandError for a host that is unknown."""
    address = _address(settings)
    for port, member, flag in wanted_ports(settings, embedded):
        require_free(port, member, flag, HOST if member == KAFKA else address)


def _address(settings: Settings) -> str:
    """The address to listen on. Raises CommandError for a host that is unknown."""
    try:
        return resolve(settings.host)
    except UnknownHost as error:
        raise CommandError(exits.MALFORMED, f"{error}; choose another with --host ADDRESS") from error


KAFKA = "Kafka"


def gateway_ports(settings: Settings) -> range:
    """The ports of the gateways on this machine."""
    return range(settings.effective_gateway_port, settings.effective_gateway_port + settings.gateways)


def advertised_address(settings: Settings, index: int) -> str:
    """The address that gateway ``index`` advertises: the setting with a higher port; empty: its own.

    Raises ValueError if there is no such port.
    """
    if not settings.advertise or not index:
        return settings.advertise
    parts = urlsplit(settings.advertise)
    port = (parts.port or DEFAULT_PORTS[parts.scheme]) + index
    if port > MAX_PORT:
        raise ValueError(f"there is no port {port}")
    return parts._replace(netloc=f"{bracketed(parts.hostname or '')}:{port}").geturl()


def wanted_ports(settings: Settings, embedded: bool) -> list[tuple[int, str, str]]:
    """Each port of the system, with its member and the flag or setting that chooses it."""
    wanted = [(settings.kafka_port, KAFKA, "--kafka-port")] if embedded else []
    wanted.append((settings.port, "the query API", "--port"))
    for index, port in enumerate(gateway_ports(settings)):
        gateway = f"gateway {index}" if index else "the gateway"
        wanted.append((port, gateway, "--gateway-port"))
        if settings.link_port:
            wanted.append((settings.link_port + index, f"the links of {gateway}", "LIBRARY_LINK_PORT"))
    if settings.metrics_port:
        wanted += [
            (settings.metrics_port + index, f"the metrics of projector {index}", "LIBRARY_METRICS_PORT")
            for index in range(settings.workers)
        ]
        if settings.notary:
            port = settings.metrics_port + settings.workers
            wanted.append((port, "the metrics of the notary", "LIBRARY_METRICS_PORT"))
    if settings.audit_port:
        wanted.append((settings.audit_port, "the audit", "LIBRARY_AUDIT_PORT"))
    return wanted


def free_metrics_port(settings: Settings, embedded: bool) -> int:
    """The first port after the gateway's from which on each projector, and the notary, gets a free one.

    0: there is none.
    """
    taken = {port for port, _, _ in wanted_ports(settings, embedded)}
    count = settings.workers + settings.notary
    for first in range(settings.effective_gateway_port + 1, MAX_PORT - count + 2):
        ports = range(first, first + count)
        if taken.isdisjoint(ports) and all(map(is_free, ports)):
            return first
    return 0


def free_audit_port(settings: Settings, embedded: bool) -> int:
    """The first free port after the gateways' and the projectors'; 0: there is none."""
    taken = {port for port, _, _ in wanted_ports(settings, embedded)}
    first = max(settings.effective_gateway_port + settings.gateways, settings.metrics_port + settings.workers)
    return next((port for port in range(first, MAX_PORT + 1) if port not in taken and is_free(port)), 0)


def _refused(path: str, reason: str) -> CommandError:
    return CommandError(
        exits.MALFORMED,
        f"data directory {path!r} can't be used: {reason}; choose another with --data-dir DIR",
    )
