"""The other query APIs of the system, told apart by their own names: several may share an address."""

import socket
import time
from collections.abc import Collection, Iterable
from concurrent.futures import Executor
from typing import NamedTuple
from urllib.parse import urlsplit

from msgspec import Struct

from eventstore.positions import BadPosition, parse_positions
from foundation.http.addresses import bracketed
from foundation.http.client import NoAnswer
from foundation.http.readiness import Report, another_program, read_readiness

MOST_SERVICES = 64
"""Of a kind that are asked."""
MISSED_AFTER_S = 60.0
"""One of several at an address is reported as missing when it has not answered for so long."""
FORGOTTEN_AFTER_S = 600.0
"""A missing one is no longer reported then."""
_ANSWER_TIMEOUT_S = 1.0
_REPEATS = 2
"""Answers without a new name after which an address is not asked again for this sample."""


class ApiSample(Struct, frozen=True):
    """Another query API's readiness, and the offsets that its answers do not include.

    ``instance`` is the name that it gives itself. None: unknown.
    """

    url: str
    instance: str | None
    ready: bool
    trouble: str
    lag: int | None


class _Seen(NamedTuple):
    sample: ApiSample
    at: float


class OtherApis:
    """Finds the query APIs at the addresses of the host in ``url``, except the one named ``instance``.

    Behind a proxy each connection may lead to another one: an address is asked until no new name comes, and
    names are remembered, because not every sample meets all. What has never answered is not reported: the
    setting may name an address that only others reach.
    """

    def __init__(self, url: str, instance: str, probes: Executor) -> None:
        self._url, self._instance, self._probes = url, instance, probes
        self.clock = time.monotonic
        self._seen: dict[str, _Seen] = {}
        """By name."""
        self._shared: set[str] = set()
        """Addresses at which several have answered."""

    def samples(self) -> list[ApiSample]:
        """Each other query API once, by address and name."""
        urls = list(dict.fromkeys(url.rstrip("/") for url in _addresses(self._url)))[:MOST_SERVICES]
        now, nameless = self.clock(), list[ApiSample]()
        for url, answers in zip(urls, self._probes.map(_answers_at, urls), strict=True):
            nameless += self._note(url, answers, now)
        self._seen = {
            name: seen
            for name, seen in self._seen.items()
            if seen.sample.url in urls and now - seen.at < FORGOTTEN_AFTER_S
        }
        named = [_unless_missing(seen, now) for seen in self._seen.values()]
        return sorted([*named, *nameless], key=lambda sample: (sample.url, sample.instance or ""))

    def _note(self, url: str, answers: list[Report | str], now: float) -> list[ApiSample]:
        """Remember the answers of an address; return a sample of a failure that has no name."""
        reports = {report.get("instance") or url: report for report in answers if isinstance(report, dict)}
        troubles = [answer for answer in answers if isinstance(answer, str)]
        if len(reports) > 1:
            self._shared.add(url)
        known = [name for name, seen in self._seen.items() if seen.sample.url == url]
        if reports:
            others = {name: report for name, report in reports.items() if name != self._instance}
            for name in self._replaced(url, known, others, now):
                del self._seen[name]
            self._seen |= {name: _Seen(_sample_of(url, report), now) for name, report in others.items()}
        elif url not in self._shared:
            # The one that is known there, if any
            for name in known:
                sample = ApiSample(url, self._seen[name].sample.instance, False, troubles[0], None)
                self._seen[name] = _Seen(sample, now)
            return []
        return [ApiSample(url, None, False, trouble, None) for trouble in troubles[:1]]

    def _replaced(self, url: str, known: list[str], reports: Collection[str], now: float) -> list[str]:
        """The names known at an address that its answers replace: a restarted process has a new name."""
        absent = [name for name in known if name not in reports]
        if url not in self._shared:
            return absent
        missing = [name for name in absent if now - self._seen[name].at >= MISSED_AFTER_S]
        return missing[: sum(name not in known for name in reports)]


def report_of(url: str, service: str) -> Report | str:
    """The report of a service's readiness, or why there is none."""
    try:
        _, report = read_readiness(url, _ANSWER_TIMEOUT_S)
    except NoAnswer as error:
        return str(error)
    return report if report.get("service") == service else another_program(url)


def _answers_at(url: str) -> list[Report | str]:
    """The reports of the query APIs at an address, as far as it leads to them, and failures."""
    answers: list[Report | str] = []
    names: set[str] = set()
    repeats = 0
    while repeats < _REPEATS and len(answers) < MOST_SERVICES:
        answer = report_of(url, "api")
        if isinstance(answer, str):
            answers.append(answer)
            if not names:
                # To ask again would only take time
                break
            repeats += 1
        elif (name := answer.get("instance") or url) in names:
            repeats += 1
        else:
            names.add(name)
            answers.append(answer)
    return answers


def _unless_missing(seen: _Seen, now: float) -> ApiSample:
    sample, silent = seen.sample, now - seen.at
    if silent < MISSED_AFTER_S:
        return sample
    return ApiSample(sample.url, sample.instance, False, f"it has not answered for {silent:.0f} s", None)


def _sample_of(url: str, report: Report) -> ApiSample:
    ready, trouble = bool(report.get("ready")), report.get("trouble") or ""
    why = trouble or ("" if ready else "it has not caught up yet")
    return ApiSample(url, report.get("instance"), ready, why, _lag_in(report))


def _lag_in(report: Report) -> int | None:
    """Offsets between a query API's position and the store's end, as it reports them."""
    try:
        ends = parse_positions(report["behind"]) if report["behind"] else {}
        position = parse_positions(report["position"]) if report["position"] else {}
    except (LookupError, TypeError, BadPosition):
        return None
    return sum(max(0, end - position.get(p, -1)) for p, end in ends.items())


def _addresses(url: str) -> Iterable[str]:
    """``url`` with each address of its host instead of the name: several processes may share a name."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        return [url]
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_STREAM)
    except OSError:
        return []
    # A process with two families of addresses is one process
    kinds = {kind for kind, *_ in found}
    chosen = socket.AF_INET if socket.AF_INET in kinds else socket.AF_INET6
    return [
        f"http://{bracketed(str(address))}:{parts.port or 80}"
        for kind, _, _, _, (address, *_) in found
        if kind == chosen
    ]
