"""A rebuild on several machines: processes with folders of their own, which have only Kafka in common."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from msgspec import Struct
from msgspec.structs import replace

from foundation.cli import exits
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from inventory.commands import AddBook, BorrowBook, ReturnBook
from query_api.following.table_follower import NOTE
from query_api.replica.replica import FILE
from schemas.tables import inventory_table, read_tables
from tests.support.producer.gateway_process import GatewayProcess, running_gateway
from tests.support.projector.library_command import library
from tests.support.projector.worker_process import Crew, crew_of
from tests.support.query_api.after_reader import AfterReader
from tests.support.query_api.api_process import ApiProcess
from tests.support.waiting import eventually

A = "9781593275846"


class Machine(Struct):
    """A projector, a query API and a gateway of one folder."""

    settings: Settings
    api: ApiProcess
    gateway: GatewayProcess

    @property
    def table(self) -> object:
        """The table that its query API answers from."""
        return self.api.client.get("/readyz").json().get("table")


class Machines(Struct):
    """Two of them, the workers of both, and the settings of an operator on a third one."""

    one: Machine
    other: Machine
    crew: Crew
    operator: Settings

    def done(self, *arguments: str) -> str:
        """Run a command of `library rebuild` on the third machine; return what it prints."""
        ended = library(self.operator, "rebuild", *arguments)
        assert ended.returncode == exits.DONE, ended.stderr
        return ended.stdout + ended.stderr


@pytest.fixture
def machines(new_settings: Callable[..., Settings]) -> Iterator[Machines]:
    """Both run, and have one title."""
    shared = new_settings(partitions=2)
    with ExitStack() as stack:
        crew = stack.enter_context(crew_of(shared))
        made = []
        for index in range(2):
            own = replace(shared, data_dir=f"{shared.data_dir}/machine-{index}")
            crew.start(index, settings=own)
            gateway = stack.enter_context(running_gateway(own))
            api = ApiProcess(own)
            stack.callback(api.stop)
            made.append(Machine(own, api, gateway))
        assert made[0].gateway.post(AddBook(A, "T", "A", 5)).status_code == 201
        for machine in made:
            machine.api.start()
        operator = replace(shared, data_dir=f"{shared.data_dir}/machine-2", api=made[0].api.url)
        yield Machines(made[0], made[1], crew, operator)


class Borrower:
    """Borrows and returns a copy through one gateway after the other while the block runs."""

    def __init__(self, *gateways: GatewayProcess) -> None:
        self._gateways, self._ended = gateways, threading.Event()
        self.refused: list[str] = []
        self.accepted = 0
        self._thread = threading.Thread(target=self._write)

    def _write(self) -> None:
        while not self._ended.wait(0.02):
            command = (ReturnBook if self.accepted % 2 else BorrowBook)(A, "ann")
            answer = self._gateways[self.accepted // 2 % len(self._gateways)].post(command)
            if answer.status_code != 201:
                self.refused.append(answer.text)
                return
            self.accepted += 1

    def __enter__(self) -> "Borrower":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


@pytest.mark.slow
def test_machines_that_have_only_kafka_in_common_change_to_the_other_table(machines: Machines):
    one, other, crew = machines.one, machines.other, machines.crew
    urls = [one.api.url, other.api.url]
    with Borrower(one.gateway, other.gateway) as borrower, AfterReader(A, urls) as reader:
        reader.read_each()
        assert "start workers with `python -m projector --table 2 --index N`" in machines.done("start")
        for index, machine in enumerate((one, other)):
            crew.start(2 + index, table="newest", settings=machine.settings)
        eventually(lambda: "0 of 1 titles differ" in machines.done("diff"), pause=0.5)

        assert f"the query API at {one.api.url} answers from it" in machines.done("switch")
        eventually(lambda: (one.table, other.table) == (2, 2))
        reader.read_each()
        machines.done("rollback")
        eventually(lambda: (one.table, other.table) == (1, 1))
        reader.read_each()

        # One is away while the tables are switched, and while the old one is dropped
        other.api.stop()
        machines.done("switch")
        dropped = machines.done("drop", "--yes")
        assert "table 1 was freed; answers come from table 2" in dropped
        other.api.start(ready=False)
        eventually(lambda: other.table == 2)
        reader.read_each()
        # The next worker without a table in its command writes the one that there is
        crew.start(4, settings=one.settings).until_ready()
        reader.read_each()
    reader.check()
    assert not borrower.refused
    assert one.api.url not in dict(reader.refused), "it was never away"
    # What the last command made is in both
    last = 1 + borrower.accepted
    for api in (one.api, other.api):
        eventually(lambda api=api: api.client.get(f"/inventory/{A}").json()["version"] == last)
        folder = Path(api.settings.data_dir) / "api" / "1"
        eventually(lambda folder=folder: not (folder / FILE).exists())
        assert (folder / NOTE).read_text("ascii") == "2\n"
    admin = AdminClient(client_config(machines.operator))
    assert read_tables(admin, machines.operator).numbers == [2]
    first = inventory_table(1)
    listed = admin.list_consumer_groups(request_timeout=10).result().valid
    assert first.group_id(machines.operator) not in [group.group_id for group in listed]
