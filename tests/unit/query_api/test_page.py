"""How the page for browsers is served: which URLs, to whom, and with which headers."""

import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from query_api.http.page import VIEWS, content_policy, prefers_html
from query_api.http.page_files import FOLDER, page_files
from schemas.events import BookAdded
from tests.support.query_api.api_without_kafka import ApiWithoutKafka

ISBN = "9781593275846"
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"}
LARGEST_TRANSFER_BYTES = 120_000


TOKEN_VIEW = f"/patrons/p~{'a' * 16}"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> ApiWithoutKafka:
    return ApiWithoutKafka(tmp_path_factory.mktemp("page"), [BookAdded(ISBN, "T", "A", 1, 1)])


@pytest.mark.parametrize("path", [*sorted(VIEWS), f"/titles/{ISBN}", "/titles/no%20isbn", TOKEN_VIEW])
def test_every_view_is_html_for_a_browser_and_allows_nothing_foreign(api: ApiWithoutKafka, path: str):
    response = api.ask(path, headers=BROWSER)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "Accept" in response.headers["vary"]
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    policy = dict(
        part.strip().partition(" ")[::2] for part in response.headers["content-security-policy"].split(";")
    )
    assert (
        policy["default-src"]
        == policy["frame-ancestors"]
        == policy["base-uri"]
        == policy["form-action"]
        == "'none'"
    )
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["connect-src"] == "'self' http://localhost:8081"
    assert "unsafe" not in response.headers["content-security-policy"]


@pytest.mark.parametrize(
    "accept", [None, "*/*", "application/json", "application/json, text/html", "text/html;q=0.5, */*"]
)
def test_a_route_of_the_api_answers_programs_as_it_did(api: ApiWithoutKafka, accept: str | None):
    headers = {"Accept": accept} if accept else {"Accept": ""}
    response = api.ask("/loans", headers=headers)
    assert response.json() == {"items": [], "next_cursor": None}
    assert response.headers["vary"] == "Accept"
    assert api.ask(TOKEN_VIEW, headers=headers).json()["code"] == "no_names"


def test_a_view_that_is_no_route_is_a_problem_for_who_wants_json_alone(api: ApiWithoutKafka):
    response = api.ask("/desk", headers={"Accept": "application/json"})
    assert (response.status_code, response.json()["code"]) == (404, "no_such_route")
    assert api.ask("/desk", headers={"Accept": "*/*"}).headers["content-type"].startswith("text/html")
    assert api.ask("/titles", headers=BROWSER).status_code == 404


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        ("text/html", True), ("TEXT/HTML", True), ("text/*", True),
        ("text/html;q=0.9, application/json;q=0.8", True),
        ("text/html;q=0.8, application/json;q=0.9", False), ("text/html;q=0", False), ("*/*;q=0.1", False),
        ("text/html;q=x", False), ("image/png", False), ("text/html, */*;q=0.8", True), ("", False),
    ],
)  # fmt: skip
def test_html_is_sent_to_who_prefers_it(accept: str, html: bool):
    assert prefers_html([(b"accept", accept.encode())], otherwise=False) == html


def test_a_file_is_compressed_and_validated(api: ApiWithoutKafka):
    plain = api.ask("/page/main.js", headers={"Accept-Encoding": "identity"})
    assert plain.content == (FOLDER / "main.js").read_bytes()
    assert plain.headers["content-type"] == "text/javascript; charset=utf-8"
    packed = api.ask("/page/main.js", headers={"Accept-Encoding": "br;q=1.0, gzip;q=0.8"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    assert packed.headers["etag"] != plain.headers["etag"]
    for response in (plain, packed):
        assert "Accept-Encoding" in response.headers["vary"]
        sent = {
            "Accept-Encoding": response.request.headers["accept-encoding"],
            "If-None-Match": response.headers["etag"],
        }
        again = api.ask("/page/main.js", headers=sent)
        assert (again.status_code, again.content) == (304, b"")
    head = api.ask("/page/main.js", "HEAD")
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    "path",
    ["/page/", "/page/../cli.py", "/page/%2e%2e/cli.py", "/page/vendor/vendor.json", "/page/nothing.js"],
)
def test_other_paths_below_the_page_do_not_exist(api: ApiWithoutKafka, path: str):
    assert api.ask(path, headers=BROWSER).status_code == 404


def test_the_settings_name_the_gateway_the_zone_and_whether_a_token_is_needed(api: ApiWithoutKafka):
    known = api.ask("/page/settings.json").json()
    assert known.pop("release")
    assert known == {
        "gateways": ["http://localhost:8081"], "token_required": False, "timezone": "UTC", "loan_days": 21,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("gateway", "sources"),
    [
        ("", "'self'"), ("https://library.example:8443/commands", "'self' https://library.example:8443"),
        ("http://[::1]:8081", "'self' http://[::1]:8081"), ("ftp://a", "'self'"),
        ("http://a;script-src *", "'self'"), ("http://a:port", "'self'"),
    ],
)  # fmt: skip
def test_the_policy_allows_requests_to_the_gateway_alone(gateway: str, sources: str):
    assert f"connect-src {sources};" in content_policy([gateway])


def test_the_page_is_small():
    index, files = page_files()
    transfers = [index, *(file for path, file in files.items() if not path.endswith(".txt"))]
    assert sum(len(file.compressed) for file in transfers) < LARGEST_TRANSFER_BYTES


def test_the_page_has_no_inline_code_and_no_address_of_elsewhere():
    index, files = page_files()
    text = index.plain.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)|\bon\w+=|\bstyle=|<style", text)
    own = [text, *(file.plain.decode() for path, file in files.items() if "/vendor/" not in path)]
    addresses = {address for content in own for address in re.findall(r"https?://[^\s\"'`)]+", content)}
    assert addresses <= {"http://www.w3.org/2000/svg"}


def test_every_module_and_style_sheet_is_in_the_document():
    index, files = page_files()
    for path in files:
        if path.endswith(".css") or (path.endswith(".js") and not path.endswith("uplot.js")):
            assert f'"{path}"' in index.plain.decode(), path


def test_each_file_of_a_view_has_less_than_200_lines():
    for file in [*FOLDER.glob("views/*.js"), *FOLDER.glob("components/*.js"), *FOLDER.glob("*.js")]:
        assert len(file.read_text("utf-8").splitlines()) < 200, file.name


def test_vendored_files_are_those_that_their_list_names():
    folder = FOLDER / "vendor"
    listed = json.loads((folder / "vendor.json").read_text("utf-8"))
    hashes = {
        name: source["sha256"] for package in listed.values() for name, source in package["files"].items()
    }
    there = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.name != "vendor.json"
    }
    assert there == hashes


def test_files_are_compressed_the_same_each_time(tmp_path: Path):
    (tmp_path / "index.html").write_text("<!-- styles --><!-- modules -->")
    (tmp_path / "a.js").write_text("1")
    (tmp_path / "secret.key").write_text("no")
    first, second = page_files(tmp_path), page_files(tmp_path)
    assert first == second
    assert list(first[1]) == ["/page/a.js"]
    assert gzip.decompress(first[1]["/page/a.js"].compressed) == b"1"


def test_a_wheel_contains_every_file_of_the_page():
    root = FOLDER.parents[1]
    included = {file.distribution_path for file in WheelBuilder(str(root)).recurse_included_files()}
    files = {path.relative_to(root).as_posix() for path in FOLDER.rglob("*") if path.is_file()}
    assert "query_api/page/index.html" in files
    assert files <= included
