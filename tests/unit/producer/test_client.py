"""A command that the gateway answers."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import msgspec
import pytest

from eventstore.state.outcomes import Accepted, Appended, Receipt
from foundation.settings import Settings
from inventory import commands
from inventory.commands import AddBook
from producer.client import execute

RECEIPT = Receipt("key", "9781593275846", (Appended("BookAdded", 1),), "3:17")


class Gateway(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.end_headers()
        self.wfile.write(msgspec.json.encode(RECEIPT))

    def log_message(self, *_: Any) -> None:
        pass


def test_only_a_fence_of_our_own_computes_the_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    def digest(command: commands.Command) -> str:
        raise AssertionError(f"the digest of {command} was computed")

    monkeypatch.setattr(commands, "digest", digest)
    with HTTPServer(("127.0.0.1", 0), Gateway) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        settings = Settings(gateway=f"http://127.0.0.1:{server.server_port}", kafka="127.0.0.1:1")
        outcome = execute(settings, "key", AddBook("9781593275846", "T"))
        thread.join()
    assert outcome == Accepted(RECEIPT)
