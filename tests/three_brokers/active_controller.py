"""The active controller, by Kafka's DescribeQuorum request: its client API does not name it."""

import socket
import struct

from library.process.ports import HOST

_DESCRIBE_QUORUM = 55
_TOPIC = b"__cluster_metadata"


def active_controller(ports: list[int]) -> int:
    """Its node id, from the first broker that answers; -1: none does, or there is none now."""
    for port in ports:
        try:
            return _ask(port)
        except (OSError, struct.error):
            continue
    return -1


def _ask(port: int) -> int:
    header = struct.pack(">hhihB", _DESCRIBE_QUORUM, 0, 1, -1, 0)
    topics = struct.pack(">BB", 2, len(_TOPIC) + 1) + _TOPIC + struct.pack(">BiB", 2, 0, 0)
    request = header + topics + b"\0\0"
    with socket.create_connection((HOST, port), 1) as connection:
        connection.settimeout(2)
        connection.sendall(struct.pack(">i", len(request)) + request)
        (length,) = struct.unpack(">i", connection.recv(4, socket.MSG_WAITALL))
        answer = connection.recv(length, socket.MSG_WAITALL)
    # Correlation id and tags; error, topics and name; partitions, index and error; leader
    at = 5 + 2 + 1 + 1 + len(_TOPIC) + 1 + 4 + 2
    (leader,) = struct.unpack_from(">i", answer, at)
    return int(leader)
