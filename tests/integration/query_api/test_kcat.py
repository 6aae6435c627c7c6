"""kcat reads the event store, with the query API as its schema registry where it was built for one."""

import json
import shutil
import subprocess

import pytest

from eventstore.topics import events_topic
from foundation.settings import Settings
from schemas.codec import CODEC
from schemas.events import BookAdded
from tests.support.query_api.loan_traffic import AT, A, running_api, store_writer


@pytest.mark.skipif(shutil.which("kcat") is None, reason="kcat is not installed")
def test_kcat_reads_the_event_store(settings: Settings):
    writer = store_writer(settings)
    writer.commit(BookAdded(A, "Elixir in Action", "Saša Jurić", 2, AT))
    avro = "Avro" in subprocess.run(["kcat", "-V"], capture_output=True, text=True, check=False).stdout
    with running_api(settings) as api:
        command = ["kcat", "-b", settings.kafka, "-C", "-t", events_topic(settings), "-e", "-q", "-J"]
        if avro:
            command += ["-s", "value=avro", "-r", api.url]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        # Without Avro the bytes of the value are no UTF-8
        record = json.loads(done.stdout.decode("utf-8", "replace"))
        assert record["key"] == f"{A}/1"
        headers = dict(zip(record["headers"][::2], record["headers"][1::2], strict=True))
        assert headers["ce_type"] == "library.inventory.BookAdded"
        if avro:
            assert record["payload"]["BookAdded"]["title"] == "Elixir in Action"
        else:
            assert "Elixir in Action" in record["payload"]
            identifier = next(s.id for s in CODEC.schemas.values() if s.subject == "BookAdded")
            text = api.client.get(f"/schemas/ids/{identifier}").json()["schema"]
            assert json.loads(text)["name"] == "BookAdded"
