"""Commands that a gateway answers."""

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import msgspec
import pytest

from eventstore.state.outcomes import Accepted, Appended, Receipt
from foundation.cli import exits
from foundation.settings import Settings
from inventory.commands import AddBook
from producer.client import execute
from producer.receipt import ReceiptDocument

RECEIPT = Receipt("key", "9781593275846", (Appended("BookAdded", 1),), "3:17")


class Gateway(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.end_headers()
        self.wfile.write(msgspec.json.encode(ReceiptDocument.of(RECEIPT)))

    def log_message(self, *_: Any) -> None:
        pass


class Broken(Gateway):
    """Ends each connection without an answer."""

    def do_POST(self) -> None:
        self.close_connection = True


def test_a_command_that_the_gateway_accepts_has_its_receipt() -> None:
    with HTTPServer(("127.0.0.1", 0), Gateway) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        settings = Settings(gateway=f"http://127.0.0.1:{server.server_port}", kafka="127.0.0.1:1")
        outcome = execute(settings, "key", AddBook("9781593275846", "T"))
        thread.join()
    assert outcome == Accepted(RECEIPT)


def run(arguments: str) -> subprocess.CompletedProcess[str]:
    """A shell's ``python -m producer``, with a gateway that answers one command."""
    with HTTPServer(("127.0.0.1", 0), Gateway) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        gateway = f"--gateway http://127.0.0.1:{server.server_port}"
        command = f"{sys.executable} -m producer {arguments.format(gateway=gateway)}"
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
        thread.join()
    return done


@pytest.mark.parametrize(
    ("redirection", "reason"), [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")]
)
def test_a_receipt_that_cant_be_printed_can_be_read_again(redirection: str, reason: str) -> None:
    done = run(f"add 9781593275846 T --command-id key {{gateway}} {redirection}")
    assert done.returncode == exits.FAILED
    assert done.stderr == (
        f"Error: done, but the receipt can't be printed ({reason}); repeat it with --command-id key to see "
        "it: that has no second effect\n"
    )


def test_a_closed_error_stream_does_not_change_the_outcome() -> None:
    done = run("add 9781593275846 T {gateway} 2>&-")
    assert done.returncode == exits.DONE
    assert "version 1: added" in done.stdout


def test_the_next_gateway_is_used_if_one_does_not_answer() -> None:
    with HTTPServer(("127.0.0.1", 0), Gateway) as server, HTTPServer(("127.0.0.1", 0), Broken) as broken:
        threads = [threading.Thread(target=each.handle_request) for each in (server, broken)]
        for thread in threads:
            thread.start()
        ports = (1, broken.server_port, server.server_port)
        urls = ",".join(f"http://127.0.0.1:{port}" for port in ports)
        outcome = execute(Settings(gateway=urls, kafka="127.0.0.1:1"), "key", AddBook("9781593275846", "T"))
        for thread in threads:
            thread.join()
    assert outcome == Accepted(RECEIPT)
