"""deploy/monitoring: rules that fire when they should, and panels on metrics that there are."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "monitoring"
RULES = FOLDER / "prometheus" / "rules.yml"
DASHBOARD = FOLDER / "grafana" / "dashboards" / "library.json"
PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
METRIC = re.compile(r"\b(?:library|process)_[a-z_]+\b")
SERIES = re.compile(r"_(?:bucket|sum|count)$")
PROMTOOL = shutil.which("promtool")


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def dashboard() -> Any:
    return json.loads(DASHBOARD.read_text())


def panel_expressions() -> list[str]:
    return [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", ())]


def documented_metrics() -> set[str]:
    """Those in the table of docs/operations.md."""
    table = PAGE.partition("| metric | labels | meaning |")[2].partition("\n\n")[0]
    return set(re.findall(r"`(library_\w+)`", table))


def metrics_in(expression: str) -> set[str]:
    """The metrics in an expression, as the documentation names them."""
    names = METRIC.findall(re.sub(r'"[^"]*"', "", expression))
    return {SERIES.sub("", name) for name in names if not name.startswith("process_")}


@pytest.mark.parametrize("expression", [*(rule["expr"] for rule in rules()), *panel_expressions()])
def test_rules_and_panels_use_documented_metrics_only(expression: str):
    found = metrics_in(expression)
    assert found <= documented_metrics()
    assert found or re.search(r"\b(?:up|process_\w+)\{job=~\"library_", expression)


def test_the_dashboard_shows_every_metric_of_lag_and_trouble():
    shown = set().union(*map(metrics_in, panel_expressions()))
    told = {
        name for name in documented_metrics() if re.search("lag|held|halted|ready|reading|writable", name)
    }
    assert told <= shown


def test_the_documented_alerts_are_the_rules_with_their_first_steps():
    table = PAGE.partition("| alert | rule |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    documented = {row[1].strip("`"): row[3] for row in rows if row[1].startswith("`")}
    assert documented.keys() == {rule["alert"] for rule in rules()}
    for rule in rules():
        step = rule["annotations"]["first_step"]
        assert step == documented[rule["alert"]].replace("`", ""), rule["alert"]


def test_panels_are_complete_and_do_not_overlap():
    taken: set[tuple[int, int]] = set()
    identifiers = [panel["id"] for panel in dashboard()["panels"]]
    assert len(identifiers) == len(set(identifiers))
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["type"] == "row" or (panel["description"] and panel["targets"])


def test_compose_starts_the_monitoring_with_its_profile_only():
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    monitoring = {name for name, service in services.items() if service.get("profiles") == ["monitoring"]}
    assert monitoring == {"prometheus", "grafana"}
    for name in monitoring:
        for mount in services[name]["volumes"]:
            source = mount.partition(":")[0]
            assert not source.startswith(".") or (ROOT / source).is_dir(), source
        assert all(port.startswith("127.0.0.1:") for port in services[name]["ports"])
    scraped = yaml.safe_load((FOLDER / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    hosts = {name for job in scraped for found in job["dns_sd_configs"] for name in found["names"]}
    assert hosts == {"gateway", "query_api", "projector", "audit", "notary"} <= services.keys()


@pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed: on Debian, apt-get install prometheus"
)
@pytest.mark.parametrize(
    "command",
    [
        ("check", "rules", "rules.yml"),
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "rules.test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_accepts_the_rules_and_their_tests(command: tuple[str, ...]):
    done = subprocess.run(
        [PROMTOOL or "", *command], cwd=RULES.parent, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_has_a_test_in_which_it_fires():
    tests = yaml.safe_load((RULES.parent / "rules.test.yml").read_text())["tests"]
    fired = {
        alert["alertname"] for each in tests for alert in each["alert_rule_test"] if alert.get("exp_alerts")
    }
    quiet = {
        alert["alertname"]
        for each in tests
        for alert in each["alert_rule_test"]
        if not alert.get("exp_alerts")
    }
    assert fired == quiet == {rule["alert"] for rule in rules()}
