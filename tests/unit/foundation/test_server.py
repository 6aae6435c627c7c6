import socket

import pytest

from foundation.http.server import PortTaken, claim


def test_a_port_that_another_program_listens_on_is_not_shared() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"127.0.0.1:{port}.*another port"):
            claim("127.0.0.1", port)
    claim("127.0.0.1", port)
