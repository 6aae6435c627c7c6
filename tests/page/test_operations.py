"""The view of operations: what is behind, what is broken, and what to do."""

import re
from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, TopicPartition
from playwright.sync_api import Page, expect

from eventstore.topics import events_topic
from foundation.kafka_clients import reading_config
from foundation.settings import Settings
from tests.page.conftest import axe_findings, screenshot
from tests.page.stock import isbn_of
from tests.support.library.installed_system import System

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
    for name in ("Gateway", "Query API"):
        card = page.locator(".service-cards div").filter(has_text=name).first
        expect(card).to_contain_text("Ready")
    expect(page.get_by_text("None. A title is held while")).to_be_visible()


def test_a_chart_is_read_by_arrow_keys_and_as_a_table(visit: Visit):
    page = opened(visit)
    chart = page.get_by_role("slider", name="Events a second")
    expect(chart.locator("canvas")).to_be_visible()
    chart.focus()
    page.keyboard.press("Home")
    expect(chart).to_have_attribute("aria-valuenow", "0")
    expect(chart).to_have_attribute("aria-valuetext", re.compile("a second$"))
    page.keyboard.press("End")
    assert chart.get_attribute("aria-valuenow") == chart.get_attribute("aria-valuemax")
    figure = page.locator(".live-chart").first
    figure.get_by_text("As a table").click()
    expect(figure.get_by_role("row").nth(1)).to_contain_text("a second")


def test_a_stopped_group_is_broken_and_one_that_has_read_everything_is_not(visit: Visit, system: System):
    settings = Settings(kafka=f"127.0.0.1:{system.kafka_port}", partitions=2)
    consumer = Consumer(reading_config(settings) | {"group.id": "monthly-report"})
    topic = events_topic(settings)
    try:
        ends = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), 10)[1] for p in (0, 1)}

        def commit(offsets: dict[int, int]) -> None:
            consumer.commit(
                offsets=[TopicPartition(topic, p, offset) for p, offset in offsets.items()],
                asynchronous=False,
            )

        commit({0: 0, 1: ends[1]})
        page = opened(visit)
        group = page.get_by_role("article", name="Group monthly-report")
        expect(group).to_contain_text("Stopped", timeout=PATIENCE_MS)
        expect(group).to_contain_text("start its program")
        expect(page.locator(".verdict")).to_contain_text("Something is broken")
        expect(page.locator(".verdict")).to_contain_text("monthly-report has stopped")
        group.get_by_text("2 partitions").click()
        expect(group.get_by_role("row").nth(1)).to_contain_text("days")
        assert axe_findings(page) == []
        screenshot(page, "operations-broken")
        commit({0: ends[0] + 10_000_000})
        expect(group).to_contain_text("Up to date", timeout=PATIENCE_MS)
    finally:
        consumer.close()


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


def test_operations_fit_a_phone(visit: Visit):
    page = opened(visit, width=320, height=640)
    page.locator(".live-chart canvas").last.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    screenshot(page, "operations-phone")
