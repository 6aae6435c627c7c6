"""Unless it is told to, nothing of a system listens beyond its machine."""

import psutil

from library.process.ports import HOST
from tests.system.operations.conftest import Opened


def test_every_process_listens_on_the_loopback_address_only(opened: Opened) -> None:
    listening = {}
    for known in opened.run.processes:
        connections = psutil.Process(known.pid).net_connections("inet")
        listening[known.name] = {c.laddr for c in connections if c.status == psutil.CONN_LISTEN}
    assert all(listening[name] for name in ("kafka", "projector", "api", "gateway", "audit"))
    # Java writes an IPv4 address as an IPv6 one
    found = {address.ip.removeprefix("::ffff:") for addresses in listening.values() for address in addresses}
    assert found == {HOST}
