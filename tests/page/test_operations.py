"""The view of operations: what is behind, what is broken, and what to do."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Page, Route, expect

from eventstore.keys import event_key
from schemas.codec import encode
from schemas.events import BookAdded, BookBorrowed
from tests.page.conftest import axe_findings, screenshot
from tests.page.consumer_group import group_reader
from tests.page.stock import isbn_of, settings_of
from tests.support.library.installed_system import System
from tests.support.producer.gateway_process import running_gateway
from tests.support.projector.event_store import EventStore

Visit = Callable[..., Page]
PATIENCE_MS = 60_000
"""The page asks every 5 seconds, and Kafka notices a stopped projector after 10."""


def opened(visit: Visit, **more: object) -> Page:
    page = visit("/operations", **more)
    page.locator(".group-card").first.wait_for(timeout=PATIENCE_MS)
    return page


def test_a_system_that_is_well_says_so(visit: Visit):
    page = opened(visit)
    expect(page.locator(".verdict")).to_contain_text("Everything is up to date", timeout=PATIENCE_MS)
    group = page.get_by_role("article", name="Group library-projector")
    expect(group).to_contain_text("Up to date")
    for name in ("Gateways", "Query APIs"):
        card = page.locator(".service-cards div").filter(has_text=name).first
        expect(card).to_contain_text("Ready")
    expect(page.get_by_text("None. A title is held while")).to_be_visible()


def test_every_gateway_is_listed_with_the_partitions_that_it_writes(
    visit: Visit, system: System, tmp_path: Path
):
    page = opened(visit, height=1100)
    gateways = page.locator(".service-list li").filter(has_text="Gateway")
    expect(gateways).to_have_count(1)
    expect(gateways).to_contain_text("writes partitions 0–1")
    shared = msgspec.structs.replace(settings_of(system), data_dir=str(tmp_path))
    with running_gateway(shared) as second:
        expect(gateways).to_have_count(2, timeout=PATIENCE_MS)
        added = gateways.filter(has_text=second.settings.gateway)
        expect(added).to_contain_text(re.compile("Ready.*writes partition [01]"), timeout=PATIENCE_MS)
        page.get_by_text("2 partitions of the event store").click()
        owners = page.locator(".services-panel tbody td:nth-child(2)")
        expect(owners.filter(has_text=second.settings.gateway)).to_have_count(1)
        assert axe_findings(page) == []
        page.get_by_text("2 partitions of the event store").click()
        screenshot(page, "operations-gateways", image="operations")
        second.end()
    expect(gateways).to_have_count(1, timeout=PATIENCE_MS)
    expect(gateways).to_contain_text("writes partitions 0–1", timeout=PATIENCE_MS)


WELL: dict[str, Any] = {
    "api": {"ready": True, "trouble": None, "partitions": [{"partition": p} for p in range(5)]},
    "other_apis": [], "gateways": [], "groups": [], "groups_trouble": None, "held": {"count": 0},
    "audit": None,
}  # fmt: skip
GATEWAY = {"url": "http://g:1", "ready": True, "trouble": "", "partitions": [0, 1, 2, 3, 4]}
API = {"url": "http://a:1", "instance": None, "ready": False, "trouble": "it has not caught up yet", "lag": 7}

AUDIT = {
    "url": "http://u:1", "ready": True, "trouble": "", "differences": 0, "oldest_seconds": 5,
    "period_seconds": 60, "stalls": [],
}  # fmt: skip
STALLS = [{"group": "a", "partition": p, "seconds": 130 + 50 * p} for p in (0, 1)]
STUCK = {"name": "a", "health": "stuck", "broken": True, "lag": 4, "lag_seconds": None, "advice": "look"}

SENTENCES: list[tuple[dict[str, Any], list[str], list[str]]] = [
    ({}, [], []),
    ({"gateways": [GATEWAY | {"partitions": [0, 4]}]}, [], ["partitions 1–3"]),
    ({"gateways": [GATEWAY, GATEWAY | {"ready": False, "trouble": "it stops"}]}, ["it stops"], []),
    ({"other_apis": [API]}, [], ["it has not caught up yet"]),
    ({"other_apis": [API | {"instance": "c0ffee"}]}, [], ["http://a:1 (c0ffee) is not ready"]),
    ({"other_apis": [API | {"lag": None, "trouble": "no answer"}]}, ["no answer"], []),
    ({"groups_trouble": "Kafka is away"}, ["Kafka is away"], []),
    ({"api": WELL["api"] | {"trouble": "the disk is full"}}, ["the disk is full"], []),
    ({"api": WELL["api"] | {"ready": False}}, [], ["has not caught up"]),
    ({"held": {"count": 2}}, ["2 titles are held"], []),
    ({"audit": AUDIT}, [], []),
    ({"audit": AUDIT | {"differences": 2}}, ["2 rows differ from what the events make"], []),
    ({"audit": AUDIT | {"ready": False, "trouble": "no answer"}}, [], ["compares nothing: no answer"]),
    ({"audit": AUDIT | {"oldest_seconds": 120}}, [], ["not compared with their events for 2 min"]),
    ({"audit": AUDIT | {"stalls": STALLS}}, ["a has not moved in partition 1 for 3 min"], []),
    ({"audit": AUDIT | {"stalls": STALLS}, "groups": [STUCK]}, ["a is stuck: 4 events wait"], []),
]
"""What differs from WELL, and parts of the sentences: of what is broken, and of what is late."""


def test_what_is_broken_is_told_from_what_is_late(visit: Visit):
    page = visit("/operations")
    for changes, broken, late in SENTENCES:
        found = page.evaluate(
            "async (report) => (await import('/page/findings.js')).findings(report)", WELL | changes
        )
        for sentences, expected in ((found["broken"], broken), (found["late"], late)):
            assert len(sentences) == len(expected), sentences
            assert all(part in text for part, text in zip(expected, sentences, strict=True)), sentences


@pytest.mark.parametrize(
    ("title", "unit"),
    [("Events a second", " a second"), ("Lag in events", " events?"), ("Lag in seconds", " s")],
)
def test_a_chart_is_read_by_arrow_keys_and_as_a_table(visit: Visit, title: str, unit: str):
    page = opened(visit)
    chart = page.get_by_role("slider", name=title)
    expect(chart.locator("canvas")).to_be_visible()
    chart.focus()
    page.keyboard.press("Home")
    expect(chart).to_have_attribute("aria-valuenow", "0")
    expect(chart).to_have_attribute("aria-valuetext", re.compile(f"({unit}|unknown)$"))
    page.keyboard.press("End")
    expect(chart).to_have_attribute("aria-valuetext", re.compile(f"{unit}$"))
    assert chart.get_attribute("aria-valuenow") == chart.get_attribute("aria-valuemax")
    figure = page.locator(".live-chart").filter(has=chart)
    figure.get_by_text("As a table").click()
    # One for each group, and the audit is one
    expect(figure.get_by_role("row").nth(1).get_by_role("cell").first).to_have_text(re.compile(f"{unit}$"))


def test_a_stopped_group_is_broken_and_one_that_has_read_everything_is_not(visit: Visit, system: System):
    with group_reader(system, "monthly-report") as (ends, commit):
        commit({0: 0, 1: ends[1]})
        page = opened(visit)
        group = page.get_by_role("article", name="Group monthly-report")
        expect(group).to_contain_text("Stopped", timeout=PATIENCE_MS)
        expect(group).to_contain_text("start its program")
        expect(page.locator(".verdict")).to_contain_text("Something is broken")
        expect(page.locator(".verdict")).to_contain_text("monthly-report has stopped")
        group.get_by_text("2 partitions").click()
        expect(group.get_by_role("row").nth(1)).to_contain_text("days")
        lag = page.get_by_role("slider", name="Lag in seconds")
        expect(lag).to_have_attribute("aria-valuetext", re.compile("monthly-report: [0-9]+ days"))
        assert axe_findings(page) == []
        screenshot(page, "operations-broken")
        commit({0: ends[0] + 10_000_000})
        expect(group).to_contain_text("Up to date", timeout=PATIENCE_MS)


def test_a_replay_shows_how_far_it_is(visit: Visit, system: System):
    with group_reader(system, "yearly-report", member=True) as (ends, commit):
        commit(ends)
        page = opened(visit)
        group = page.get_by_role("article", name="Group yearly-report")
        expect(group).to_contain_text("Up to date", timeout=PATIENCE_MS)
        commit({0: 0, 1: ends[1]})
        expect(group).to_contain_text("Replaying", timeout=PATIENCE_MS)
        expect(group.locator(".replay")).to_contain_text(f"Read again: 0 of {ends[0]:,}")
        expect(page.locator(".verdict")).to_contain_text("Behind, and catching up")
        commit({0: ends[0] // 2})
        expect(group.locator(".replay")).to_contain_text(
            f"Read again: {ends[0] // 2:,} of {ends[0]:,}", timeout=PATIENCE_MS
        )
        commit(ends)
        expect(group).to_contain_text("Up to date", timeout=PATIENCE_MS)
        expect(group.locator(".replay")).to_have_count(0)


def test_a_held_title_is_listed_with_its_reason_and_the_command_that_retries(visit: Visit, system: System):
    isbn, store = isbn_of(801), EventStore(settings_of(system))
    now = round(time.time() * 1000)
    lent = BookBorrowed(isbn, "ann", now, now + 1)
    store.write(1, BookAdded(isbn, "A held title", "A", 1, now))
    store.write_raw((event_key(isbn, 2), encode(lent)[:-3]))
    page = opened(visit)
    held = page.locator(".held-panel article").filter(has_text="A held title")
    expect(held).to_contain_text("not a BookBorrowed", timeout=PATIENCE_MS)
    expect(page.get_by_text("library held retry")).to_be_visible()
    expect(page.locator(".verdict")).to_contain_text("1 title is held")
    assert axe_findings(page) == []
    held.get_by_role("link", name="Event").click()
    expect(page.get_by_role("dialog")).to_contain_text("It can't be read: not a BookBorrowed")
    store.write(2, lent)
    page.goto(f"http://127.0.0.1:{system.port}/operations")
    expect(page.get_by_text("None. A title is held while")).to_be_visible(timeout=PATIENCE_MS)


def test_a_stopped_projector_is_named_with_the_command_that_starts_it(visit: Visit, system: System):
    page = opened(visit)
    try:
        assert system.library("stop", "projector").returncode == 0
        sent = system.send(
            "while-stopped", type="AddBook", isbn=isbn_of(800), title="T", author="A", quantity=1
        )
        assert sent[0] == 201
        group = page.get_by_role("article", name="Group library-projector")
        expect(group).to_contain_text("Stopped", timeout=PATIENCE_MS)
        expect(group.locator("code").last).to_have_text("library start projector")
        expect(page.locator(".service-cards")).to_contain_text("the oldest is")
    finally:
        assert system.library("start", "projector").returncode == 0
    expect(group).to_contain_text("Up to date", timeout=PATIENCE_MS)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_view_of_operations(visit: Visit, scheme: str):
    page = opened(visit, scheme=scheme, height=1100)
    page.locator(".live-chart canvas").last.wait_for()
    assert axe_findings(page) == []
    screenshot(page, f"operations-{scheme}")


def test_query_apis_behind_one_address_are_listed_by_their_names(visit: Visit):
    def report(route: Route) -> None:
        answer = route.fetch()
        others = [
            {"url": "http://proxy:80", "instance": name, "ready": True, "trouble": "", "lag": 0}
            for name in ("b0b0", "c0c0")
        ]
        route.fulfill(response=answer, json=answer.json() | {"other_apis": others})

    page = visit("/")
    page.route(re.compile("/operations$"), report)
    page.get_by_role("link", name="Operations").click()
    expect(page.locator(".service-cards")).to_contain_text("3 ready")
    for name in ("b0b0", "c0c0"):
        expect(page.locator(".service-list li").filter(has_text=name)).to_contain_text("lacks nothing")


def test_the_audit_and_the_rows_that_differ_are_shown(visit: Visit):
    detail = {"isbn": isbn_of(0), "summary": "quantity 5, not 2", "event": "0:7", "record": "0:9"}

    def report(route: Route) -> None:
        answer = route.fetch()
        document = answer.json()
        # The audit of the system itself
        assert document["audit"]["differences"] == 0
        found = document["audit"] | {"ready": True, "trouble": "", "differences": 3, "details": [detail]}
        route.fulfill(response=answer, json=document | {"audit": found})

    page = visit("/")
    page.route(re.compile("/operations$"), report)
    page.get_by_role("link", name="Operations").click()
    expect(page.locator(".verdict")).to_contain_text("3 rows differ from what the events make")
    expect(page.locator(".service-list li").filter(has_text="Audit")).to_contain_text("3 differ")
    part = page.get_by_role("region", name="Rows that differ from their events")
    expect(part).to_contain_text("quantity 5, not 2")
    expect(part).to_contain_text("And 2 more: library audit --once")
    expect(part.get_by_role("link", name="Event 0:7")).to_have_attribute("href", "/events?event=0:7")
    assert axe_findings(page) == []
