"""The address that browsers send commands to."""

from pathlib import Path

import pytest

from foundation.settings import Settings
from query_api.http.page_gateway import gateways_for_page
from tests.support.query_api.api_without_kafka import ApiWithoutKafka


@pytest.mark.parametrize(
    ("host", "settings", "url"),
    [
        ("127.0.0.1:8080", {}, "http://127.0.0.1:8081"),
        ("localhost:8080", {}, "http://localhost:8081"),
        ("[::1]:8080", {}, "http://[::1]:8081"),
        ("192.168.1.5:8080", {}, "http://192.168.1.5:8081"),
        ("192.168.1.5:8080", {"gateway": "http://127.0.0.1:9"}, "http://192.168.1.5:9"),
        ("", {}, "http://127.0.0.1:8081"),
        (
            "localhost:8080",
            {"gateway": "http://127.0.0.1:8081,http://127.0.0.1:8082"},
            "http://localhost:8081,http://localhost:8082",
        ),
        ("localhost:8080", {"gateway": ""}, ""),
        (
            "localhost:8080",
            {"gateway": "http://gateway:8081", "page_gateway": ":8099"},
            "http://localhost:8099",
        ),
        ("[::1]:8080", {"page_gateway": ":8099"}, "http://[::1]:8099"),
        ("x:8080", {"page_gateway": ":8081-8083"}, "http://x:8081,http://x:8082,http://x:8083"),
        ("x", {"page_gateway": "https://commands.example/"}, "https://commands.example"),
        (
            "books.example",
            {"api": "https://books.example", "gateway": "https://books.example:8443"},
            "https://books.example:8443",
        ),
        (
            "books.example",
            {"api": "https://books.example", "gateway": "https://commands.example"},
            "https://commands.example",
        ),
    ],
)
def test_the_gateway_is_where_the_browser_reaches_it(host: str, settings: dict[str, str], url: str):
    assert gateways_for_page(Settings(**settings), host) == [each for each in url.split(",") if each]  # type: ignore[arg-type]


def test_the_pages_settings_and_its_policy_name_the_same_gateway(tmp_path: Path):
    api = ApiWithoutKafka(tmp_path)
    for host in ("localhost:8080", "127.0.0.1:8080", "[::1]:8080"):
        expected = f"http://{host.removesuffix('0')}1"
        assert api.ask("/page/settings.json", headers={"host": host}).json()["gateways"] == [expected]
        policy = api.ask("/desk", headers={"host": host}).headers["content-security-policy"]
        assert f"connect-src 'self' {expected};" in policy
