"""Commands that a gateway answers."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import ClassVar

import msgspec
import pytest

from eventstore.state.outcomes import Accepted, Appended, Outcome, OutcomeUnknown, Receipt
from foundation.cli import exits
from foundation.settings import Settings
from inventory.commands import AddBook
from producer.client import execute
from producer.receipt import ReceiptDocument
from schemas.times import parse_time, rfc3339
from tests.support import http_server

RECEIPT = Receipt("key", "9781593275846", (Appended("BookAdded", 1),), "3:17")


class Gateway(http_server.Handler):
    """Accepts every command. Its clock is an hour behind ours; ``came`` has when, by ours, each command came
    here, and when it expires."""

    AN_HOUR_S = 3600.0

    def do_GET(self) -> None:
        self.respond(
            200, msgspec.json.encode({"time": rfc3339(round(1000 * (time.time() - self.AN_HOUR_S)))})
        )

    def do_POST(self) -> None:
        self.came.append((time.time(), parse_time(self.headers["Expiry-Time"]) / 1000 + self.AN_HOUR_S))
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer()

    def answer(self) -> None:
        self.respond(201, msgspec.json.encode(ReceiptDocument.of(RECEIPT)))

    came: ClassVar[list[tuple[float, float]]] = []


class Broken(Gateway):
    """Ends each connection without an answer."""

    came: ClassVar[list[tuple[float, float]]] = []

    def answer(self) -> None:
        self.close_connection = True


class Expired(Gateway):
    """Did not begin to decide the command in time."""

    came: ClassVar[list[tuple[float, float]]] = []

    def answer(self) -> None:
        self.respond(504, b'{"code": "outcome_unknown", "detail": "it came too late"}')


class Full(Gateway):
    """Did nothing."""

    came: ClassVar[list[tuple[float, float]]] = []

    def answer(self) -> None:
        self.respond(503, b'{"code": "full", "detail": "too many commands wait"}')


class Frozen(Gateway):
    """Accepts connections, and says nothing."""

    came: ClassVar[list[tuple[float, float]]] = []

    def do_GET(self) -> None:
        self.rfile.read(1)


@contextmanager
def serving(*gateways: type[Gateway]) -> Iterator[str]:
    """Serve each on a port of its own; yield their addresses, as in the setting ``gateway``."""
    with ExitStack() as stack:
        urls = []
        for gateway in gateways:
            gateway.came.clear()
            urls.append(stack.enter_context(http_server.serving(gateway)))
        yield ",".join(urls)


def outcome_of(gateways: str, deadline: float = 4.0) -> Outcome:
    settings = Settings(gateway=gateways, kafka="127.0.0.1:1", deadline=deadline)
    return execute(settings, "key", AddBook("9781593275846", "T"))


def test_a_command_that_the_gateway_accepts_has_its_receipt() -> None:
    with serving(Gateway) as url:
        assert outcome_of(url) == Accepted(RECEIPT)


def run(arguments: str) -> subprocess.CompletedProcess[str]:
    """A shell's ``python -m producer``, with a gateway."""
    with serving(Gateway) as url:
        command = f"{sys.executable} -m producer {arguments.format(gateway=f'--gateway {url}')}"
        return subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)


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
    with serving(Broken, Gateway) as urls:
        assert outcome_of(f"http://127.0.0.1:1,{urls}") == Accepted(RECEIPT)


@pytest.mark.parametrize("unclear", [Broken, Expired])
def test_another_gateway_gets_a_command_only_when_the_first_cannot_begin_it_any_more(
    unclear: type[Gateway],
) -> None:
    """A refusal leaves nothing in the log: the second could refuse what the first one accepts later."""
    with serving(unclear, Gateway) as urls:
        assert outcome_of(urls) == Accepted(RECEIPT)
    ((sent, expires),), ((again, _),) = unclear.came, Gateway.came
    assert sent < expires < again


def test_a_command_that_a_gateway_may_have_is_not_known_to_be_undone() -> None:
    with serving(Broken) as url:
        outcome = outcome_of(url, deadline=1.0)
    assert isinstance(outcome, OutcomeUnknown)
    assert outcome.sent


def test_another_gateway_gets_a_command_at_once_if_the_first_did_nothing() -> None:
    with serving(Full, Gateway) as urls:
        assert outcome_of(urls) == Accepted(RECEIPT)
    ((_, expires),), ((again, _),) = Full.came, Gateway.came
    assert again < expires


def test_a_gateway_that_does_not_say_its_time_gets_no_command() -> None:
    with serving(Frozen, Gateway) as urls:
        assert outcome_of(urls) == Accepted(RECEIPT)
        outcome = outcome_of(urls.partition(",")[0], deadline=1.0)
    assert isinstance(outcome, OutcomeUnknown)
    assert not outcome.sent
    assert not Frozen.came
