"""Gateways that share the partitions of a store, each a process of its own."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import chain
from signal import SIGKILL, SIGTERM
from uuid import uuid4

import httpx
import msgspec
import pytest

from eventstore.partitions import partition_of
from foundation.settings import Settings
from inventory import isbn as identifiers
from inventory.commands import AddBook, AddCopies, BorrowBook
from library.process.ports import free_port
from producer.gateway.sharing.messages import (
    ForwardedLookUp,
    Frames,
    decode_answers,
    encode_entries,
    frame,
    greeting,
)
from tests.support.producer.gateway_process import GatewayProcess, post, running_gateway
from tests.support.producer.writer_calls import title_in
from tests.support.stores import new_store
from tests.support.waiting import eventually

PARTITIONS = 6


@pytest.fixture(scope="module")
def gateways(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[GatewayProcess]]:
    """Three that share the partitions. A test that ends one starts it again."""
    store = new_store(broker, tmp_path_factory.mktemp("shared"), partitions=PARTITIONS)
    with ExitStack() as stack:
        running = [stack.enter_context(running_gateway(store)) for _ in range(3)]
        eventually(lambda: shared(running))
        yield running


def shared(gateways: list[GatewayProcess]) -> bool:
    """Whether each has as many partitions as the others, and together they have each once.

    While one joins, a partition may still be on its way to it: the shares are then complete, but not even.
    """
    each = [gateway.partitions for gateway in gateways]
    sizes = {len(partitions) for partitions in each}
    return len(sizes) == 1 and sorted(chain.from_iterable(each)) == list(range(PARTITIONS))


def titles() -> dict[int, str]:
    """A title in each partition."""
    found: dict[int, str] = {}
    while len(found) < PARTITIONS:
        isbn = identifiers.in_house(uuid4().int % 10**11)
        found[partition_of(isbn, PARTITIONS)] = isbn
    return found


def test_each_partition_has_one_gateway_and_any_gateway_takes_any_command(gateways: list[GatewayProcess]):
    for isbn in titles().values():
        for number, gateway in enumerate(gateways):
            answer = gateway.post(AddBook(isbn, "A") if number == 0 else AddCopies(isbn, 1))
            assert answer.status_code == 201
            assert answer.json()["events"][0]["version"] == number + 1
    for gateway in gateways:
        of_others = PARTITIONS - len(gateway.partitions)
        assert gateway.forwarded("answered") == of_others
        assert gateway.forwarded("unanswered") == 0


def test_a_repeat_at_another_gateway_gets_the_first_answer(gateways: list[GatewayProcess]):
    isbn, key = next(iter(titles().values())), uuid4().hex
    first = gateways[0].post(AddBook(isbn, "A"), key)
    for gateway in gateways:
        repeat = gateway.post(AddBook(isbn, "A"), key)
        assert (repeat.status_code, repeat.headers["idempotency-replayed"]) == (201, "true")
        assert repeat.json() == first.json()
        assert gateway.client.get(f"/commands/{key}").json() == first.json()
        assert gateway.client.get(f"/commands/{key}", params={"isbn": isbn}).json() == first.json()
        assert gateway.client.get(f"/commands/{uuid4().hex}").status_code == 404


def test_refusals_and_actors_pass_through(gateways: list[GatewayProcess]):
    isbn = next(iter(titles().values()))
    assert gateways[0].post(AddBook(isbn, "A"), actor="desk").status_code == 201
    for gateway in gateways:
        refusal = gateway.post(BorrowBook(identifiers.in_house(1), "ann"))
        assert (refusal.status_code, refusal.json()["code"]) == (409, "unknown_title")
        assert gateway.post(AddCopies(isbn, 1), actor="desk").json()["actor"] == "desk"


class Callers:
    """Commands to all partitions through some gateways, one after the other in each of their threads."""

    def __init__(self, gateways: list[GatewayProcess], isbns: list[str]) -> None:
        self.statuses: list[int] = []
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(len(gateways) * len(isbns))
        self._calls = [self._pool.submit(self._call, each, isbn) for each in gateways for isbn in isbns]

    def _call(self, gateway: GatewayProcess, isbn: str) -> None:
        with httpx.Client(base_url=gateway.settings.gateway, timeout=60) as client:
            while not self._stop.is_set():
                self.statuses.append(post(client, AddCopies(isbn, 1)).status_code)

    def more(self, count: int) -> None:
        """Wait for so many further answers."""
        enough = len(self.statuses) + count
        eventually(lambda: len(self.statuses) >= enough)

    def end(self) -> None:
        """Let each finish its command; raises what any of them raised."""
        self._stop.set()
        for call in self._calls:
            call.result()
        self._pool.shutdown()


@pytest.mark.parametrize(
    "what", ["stopped", *(pytest.param(what, marks=pytest.mark.slow) for what in ("killed", "frozen"))]
)
def test_a_gateway_that_goes_costs_its_neighbours_no_error(gateways: list[GatewayProcess], what: str):
    *left, gone = gateways
    isbns = list(titles().values())
    for isbn in isbns:
        assert gone.post(AddBook(isbn, "A")).status_code == 201
    callers = Callers(left, isbns)
    callers.more(20)
    if what == "frozen":
        gone.freeze()
    else:
        gone.end(SIGKILL if what == "killed" else SIGTERM)
    callers.more(20)
    eventually(lambda: shared(left))
    callers.more(20)
    if what == "frozen":
        gone.thaw()
    else:
        gone.start()
    eventually(lambda: shared(gateways))
    callers.more(20)
    callers.end()
    assert set(callers.statuses) == {201}
    versions = [left[0].post(AddCopies(isbn, 1)).json()["events"][0]["version"] for isbn in isbns]
    assert sum(versions) == len(callers.statuses) + 2 * len(isbns)


def test_gateways_that_cannot_reach_each_other_answer_all_the_same(new_settings: Callable[..., Settings]):
    store = new_settings(partitions=PARTITIONS)
    isolated = msgspec.structs.replace(store, advertise="http://127.0.0.2:1")
    with running_gateway(store) as one, running_gateway(isolated) as other:
        eventually(lambda: one.partitions and other.partitions)
        for isbn in titles().values():
            assert one.post(AddBook(isbn, "A")).status_code == 201
            assert other.post(AddCopies(isbn, 1)).status_code == 201
            assert one.post(AddCopies(isbn, 1)).json()["events"][0]["version"] == 3


def test_only_gateways_of_the_store_may_forward(new_settings: Callable[..., Settings]):
    guarded = new_settings(partitions=PARTITIONS, token="sesame", link_port=free_port())
    with running_gateway(guarded):
        question = encode_entries([(7, ForwardedLookUp("id", 0))])
        (answer,) = Frames(1000).read(said_to(guarded, frame(greeting(guarded)) + question))
        assert list(decode_answers(answer)) == [(7, [])]
        stranger = msgspec.structs.replace(guarded, token="")
        assert said_to(guarded, frame(greeting(stranger)) + question) == b""
        assert said_to(guarded, b"POST /forwarded HTTP/1.1\r\n\r\n") == b""
        assert said_to(guarded, frame(greeting(guarded)) + frame(b"\xc1")) == b""


def said_to(settings: Settings, words: bytes) -> bytes:
    """What the gateway answers at first to one that sends ``words``; empty: it closes the connection."""
    with socket.create_connection((settings.host, settings.link_port), 10) as link:
        link.sendall(words)
        try:
            return link.recv(1000)
        except ConnectionResetError:
            return b""


@pytest.mark.parametrize("standby", [0, 1])
def test_a_gateway_on_standby_reads_little_when_it_takes_over(
    new_settings: Callable[..., Settings], standby: int
):
    store = new_settings(partitions=2, standby=standby, log_level="DEBUG")
    elsewhere = msgspec.structs.replace(store, data_dir=f"{store.data_dir}/elsewhere")
    with running_gateway(store) as owner, running_gateway(elsewhere) as other:
        eventually(lambda: len(owner.partitions) == len(other.partitions) == 1)
        (partition,) = owner.partitions
        isbn = title_in(partition, 2)
        assert owner.post(AddBook(isbn, "A")).status_code == 201
        for _ in range(30):
            assert owner.post(AddCopies(isbn, 1)).status_code == 201
        owner.end(SIGKILL)
        # The group notices after six seconds
        eventually(lambda: len(other.partitions) == 2)
        assert other.post(AddCopies(isbn, 1)).json()["events"][0]["version"] == 32
        claims = re.findall(rf"partition {partition}: claimed .*, after reading (\d+)", other.log.read_text())
        # On a slow machine it may lose the claim and claim again, with nothing left to read
        assert (max(map(int, claims)) < 10) == bool(standby)
