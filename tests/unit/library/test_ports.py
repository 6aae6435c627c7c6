"""Ports for servers."""

import socket

from library.process.ports import FOR_SERVERS, HOST, free_port, is_free


def test_a_free_port_is_below_those_of_outgoing_connections() -> None:
    """A client of Kafka had taken one in the moment before a gateway listened on it."""
    assert free_port() in FOR_SERVERS


def test_a_port_that_is_in_use_is_not_free() -> None:
    with socket.socket() as server:
        server.bind((HOST, port := free_port()))
        server.listen()
        assert not is_free(port)
    assert is_free(port)
