"""docs/api.md names what there is, and its examples do what they show."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from foundation.http.openapi import DOCUMENT_PATH
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from schemas.codec import encode
from schemas.events import BookAdded, BookBorrowed, BookRemoved
from schemas.patrons import PatronName, name_key
from schemas.topics import ensure_topics
from tests.support.names_writer import NamesWriter
from tests.support.query_api.api_process import ApiProcess
from tests.support.query_api.api_without_kafka import ApiWithoutKafka
from tests.support.query_api.loan_traffic import running_api, store_writer
from tests.support.query_api.stocked_names import StockedNames

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text("utf-8")
A, B = "9781593275846", "9781680502992"
AT, DUE = 1714564800123, 1716422399999
TOKEN = "p~Jx0cP3fT9sQm2_aB"
EXAMPLE = re.compile(r"```sh\n(?P<command>curl .*?)\n```\n\n```\w*\n(?P<output>.*?)```", re.DOTALL)
EXAMPLES = [match.groupdict() for match in EXAMPLE.finditer(PAGE)]


def test_the_page_lists_exactly_the_routes_and_parameters_there_are(tmp_path: Path):
    document = ApiWithoutKafka(tmp_path).ask("/openapi.json").json()
    table = PAGE.partition("## Routes")[2].partition("\n\n-")[0]
    routes = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}
    assert set(re.findall(r"`((?:GET|POST) /[^`]*)`", table)) == {*routes, f"GET {DOCUMENT_PATH}"}
    parameters = {
        parameter["name"]
        for item in document["paths"].values()
        for operation in item.values()
        for parameter in operation.get("parameters", ())
        if parameter["in"] != "path"
    }
    table = PAGE.partition("## Parameters")[2].partition("## Titles")[0]
    assert set(re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)) == parameters


def test_the_page_lists_exactly_the_metrics_there_are(tmp_path: Path):
    stock = ApiWithoutKafka(tmp_path, names=StockedNames())
    text = stock.ask("/metrics").text
    told = set(re.findall(r"^# TYPE (library_\w+)", text, re.MULTILINE))
    table = PAGE.partition("## Metrics")[2].partition("\n\nBesides")[0]
    assert set(re.findall(r"`(library_\w+)`", table)) == told


@pytest.fixture(scope="module")
def api(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    settings = Settings(kafka=broker, name="test-docs", data_dir=str(tmp_path_factory.mktemp("docs")))
    NamesWriter(settings).commit([(name_key(TOKEN), encode(PatronName("user123", AT)))])
    ensure_topics(AdminClient(client_config(settings)), settings)
    writer = store_writer(settings)
    writer.commit(
        BookAdded(A, "Elixir in Action", "Saša Jurić", 10, AT),
        BookAdded(B, "Programming Elixir 1.6", "Dave Thomas", 5, AT + 1),
    )
    writer.commit(BookBorrowed(A, TOKEN, AT + 1000, DUE))
    writer.commit(BookRemoved(B, AT + 2000))
    with running_api(settings) as started:
        yield started


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["command"].split("8080")[1][:40])
def test_each_curl_example_of_the_page_gives_its_output(api: ApiProcess, example: dict[str, str]):
    command = example["command"].replace("http://127.0.0.1:8080", api.url)
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, check=False)
    shown = example["output"].strip()
    if shown[0] in "{[":
        assert json.loads(_without_instance(done.stdout)) == json.loads(_without_instance(shown))
    else:
        assert done.stdout.replace("\r", "").strip() == shown


def _without_instance(answer: str) -> str:
    """The answer with one name for all processes: each process has a random one."""
    return re.sub(r'"instance":"[0-9a-f]{16}"', '"instance":"0000000000000000"', answer)


def test_every_curl_example_of_the_page_is_tested():
    assert len(EXAMPLES) == len(re.findall(r"^curl ", PAGE, re.MULTILINE)) >= 10
