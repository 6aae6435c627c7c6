"""Reading one's own writes, through gateway, projector and query API."""

import threading

import httpx

from foundation.settings import Settings
from inventory.commands import AddBook, BorrowBook, Command, ReturnBook
from tests.support.producer.gateway_process import running_gateway
from tests.support.projector.worker_process import Worker
from tests.support.query_api.loan_traffic import NUMBERS, running_api

WRITERS, WRITES = 8, 30


def steps(isbn: str) -> list[Command]:
    """A copy that goes to and fro."""
    lent: list[Command] = [BorrowBook(isbn, "ann"), ReturnBook(isbn, "ann")]
    return [AddBook(isbn, "T", "A", 1), *lent * WRITES][:WRITES]


def test_every_write_can_be_read_at_once(settings: Settings):
    stale: list[str] = []
    read: list[str] = []

    def use(isbn: str) -> None:
        with httpx.Client(base_url=api.url, timeout=60) as client:
            for version, command in enumerate(steps(isbn), 1):
                receipt = gateway.post(command)
                assert receipt.status_code == 201, receipt.text
                query = f"after={receipt.json()['position']}&timeout=30&"
                row = client.get(f"/inventory/{isbn}?{query}")
                if row.status_code != 200 or row.json()["version"] != version:
                    stale.append(f"{version}: {row.text}")
                history = client.get(f"/inventory/{isbn}/history?{query}limit=500")
                if len(history.json()["items"]) != version:
                    stale.append(f"history {version}: {history.text}")
                read.append(isbn)

    worker = Worker(settings)
    try:
        with running_gateway(settings) as gateway, running_api(settings) as api:
            worker.until_ready()
            threads = [threading.Thread(target=use, args=(isbn,)) for isbn in NUMBERS[:WRITERS]]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(100)
            log_text = api.log.read_text("utf-8")
    finally:
        worker.kill()
    assert len(read) == WRITERS * WRITES
    assert stale == []
    assert '"ann"' not in log_text
