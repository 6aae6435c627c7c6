"""What `library doctor` says of the audit."""

from collections.abc import Iterator

import pytest

from audit.endpoint import Endpoint
from audit.report import Report, Stall
from foundation.settings import Settings
from library.checks.doctor import audit
from library.checks.finding import Grade
from library.process.ports import HOST, free_port


@pytest.fixture
def reported() -> Iterator[tuple[str, list[Report]]]:
    """The address of an audit, and a list whose last item it reports."""
    reports, port = [Report()], free_port()
    endpoint = Endpoint(Settings(audit_port=port), lambda: reports[-1])
    yield f"http://{HOST}:{port}", reports
    endpoint.close()


def test_an_audit_that_is_away_starts_or_is_in_trouble_is_a_warning(reported: tuple[str, list[Report]]):
    url, reports = reported
    assert audit(f"http://{HOST}:{free_port()}").grade is Grade.WARNING
    assert audit(url).grade is Grade.WARNING
    reports.append(Report(ready=True, trouble="Kafka is away"))
    finding = audit(url)
    assert (finding.grade, finding.fix) == (Grade.WARNING, "library logs audit")
    assert "Kafka is away" in finding.found


def test_rows_that_differ_are_broken_and_others_are_fine(reported: tuple[str, list[Report]]):
    url, reports = reported
    reports.append(Report(ready=True, rows_compared=1200))
    assert audit(url).found == f"1,200 rows compared with their events, at {url}"
    reports.append(Report(ready=True, rows_compared=1200, differences=2))
    finding = audit(url)
    assert (finding.grade, finding.fix) == (Grade.BROKEN, "library replay --to-beginning")
    assert "2 rows are not as their events make them" in finding.found


def test_a_group_that_stands_still_is_broken_after_two_minutes(reported: tuple[str, list[Report]]):
    url, reports = reported
    stalls = [Stall("library-projector", partition, 60.0 * partition) for partition in range(4)]
    reports.append(Report(ready=True, stalls=stalls[:3]))
    assert audit(url).grade is Grade.FINE
    reports.append(Report(ready=True, stalls=stalls))
    finding = audit(url)
    assert (finding.grade, finding.fix) == (Grade.BROKEN, "library groups")
    assert "library-projector has not moved in partition 3 for 180 s" in finding.found
