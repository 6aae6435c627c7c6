import pytest

from foundation.http.origins import PageOrigins
from foundation.settings import Settings

LOOPBACK = ["http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080"]


def allows(origin: str, host: str = "127.0.0.1:8081", **settings: str) -> bool:
    return PageOrigins(Settings(**settings)).allows(origin, host)  # type: ignore[arg-type]


@pytest.mark.parametrize("origin", LOOPBACK)
@pytest.mark.parametrize("host", ["localhost:8081", "127.0.0.1:8081", "[::1]:8081", "192.168.1.5:8081"])
def test_the_query_api_is_allowed_by_every_name_of_the_loopback_interface(origin: str, host: str):
    assert allows(origin, host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:8079", "127.0.0.1:8081"),
        ("http://127.0.0.1:8081", "127.0.0.1:8079"),
        ("https://127.0.0.1:8443", "127.0.0.1:8081"),
        ("http://evil.example:8080", "127.0.0.1:8081"),
        ("http://localhost.evil.example:8080", "localhost:8081"),
        ("http://localhost", "localhost:8081"),
        ("http://192.168.1.6:8080", "192.168.1.5:8081"),
        ("file://localhost:8080", "localhost:8081"),
        ("http://127.0.0.1:99999", "127.0.0.1:8081"),
        ("http://[::1", "127.0.0.1:8081"),
        ("null", "127.0.0.1:8081"),
        ("", ""),
    ],
)
def test_pages_of_other_places_are_not_allowed(origin: str, host: str):
    assert not allows(origin, host)


def test_the_query_api_is_allowed_at_the_address_that_a_browser_reaches_it_by():
    assert allows("http://192.168.1.5:8080", "192.168.1.5:8081")
    assert allows("http://desk.local:9000", "DESK.local:9001", api="http://127.0.0.1:9000")
    assert allows("http://books.example", "commands.example", api="http://books.example")
    assert allows("http://books.example:80", "commands.example", api="http://books.example")
    assert not allows("https://books.example", "commands.example", api="http://books.example")


def test_the_setting_replaces_the_default():
    chosen = "https://library.example, :8080-8083"
    assert allows("https://library.example", page_origins=chosen)
    assert allows("https://LIBRARY.example:443", page_origins=chosen)
    assert allows("http://localhost:8083", page_origins=chosen)
    assert allows("http://10.0.0.7:8080", "10.0.0.7:8081", page_origins=chosen)
    assert not allows("http://localhost:8084", page_origins=chosen)
    assert not allows("http://10.0.0.8:8080", "10.0.0.7:8081", page_origins=chosen)
    assert not allows("http://127.0.0.1:8080", page_origins="https://library.example")


@pytest.mark.parametrize(
    "settings",
    [
        {"page_origins": "*"},
        {"page_origins": "library.example"},
        {"page_origins": "https://library.example/page"},
        {"page_origins": "https://a.example https://b.example"},
        {"page_origins": ":"},
        {"page_gateway": "gateway.example"},
        {"page_gateway": "javascript:alert(1)"},
        {"page_gateway": ":8081-"},
        {"page_gateway": "https://gateway.example; script-src *"},
    ],
)
def test_a_bad_setting_is_refused_by_name(settings: dict[str, str]):
    with pytest.raises(ValueError, match=next(iter(settings))):
        Settings(**settings)  # type: ignore[arg-type]
