"""What a worker tells Prometheus."""

import urllib.request

from msgspec.structs import replace

from eventstore.partitions import partition_of
from eventstore.state.outcomes import submit
from inventory.commands import AddBook, AddCopies
from library.process.ports import HOST, free_port
from producer.writers import writer_of
from tests.support.metrics import read_metrics
from tests.support.waiting import eventually

ISBN = "9781593275846"


def metrics(port: int) -> dict[tuple[str, ...], float]:
    """Values by name and partition."""
    with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=10) as answer:
        return read_metrics(answer.read().decode(), "partition")


def test_metrics_show_events_rows_lag_and_position(settings, crew):
    port = free_port()
    partition = partition_of(ISBN, settings.partitions)
    writer = writer_of(settings, partition)
    writer.execute([submit("1", AddBook(ISBN, "Elixir in Action", quantity=1))], 30)
    writer.execute([submit("2", AddCopies(ISBN, 1))], 30)
    writer.close()
    crew.start(settings=replace(settings, metrics_port=port)).until_ready()

    def counted() -> bool:
        told = metrics(port)
        assert told["library_projector_events_total", ""] == 2
        assert told["library_projector_rows_total", ""] >= 1
        # Two events, each followed by its transaction's end
        assert told["library_projector_position", str(partition)] == 4
        assert [told["library_projector_lag", str(p)] for p in range(settings.partitions)] == [0, 0, 0]
        return True

    eventually(counted)
    assert metrics(port)["library_projector_halted", str(partition)] == 0


def test_a_worker_names_a_metrics_port_in_use(settings, crew, broker):
    port = int(broker.rpartition(":")[2])
    worker = crew.start(settings=replace(settings, metrics_port=port))
    assert worker.ended() == 1
    assert f"the metrics can't be served at {HOST}:{port}" in worker.said()
