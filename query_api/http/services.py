"""The gateways and the other query APIs of the system, as they report themselves."""

import socket
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from confluent_kafka import KafkaException
from msgspec import Struct

from eventstore.positions import BadPosition, parse_positions
from foundation.http.addresses import bracketed
from foundation.http.client import NoAnswer
from foundation.http.readiness import Report, another_program, read_readiness
from foundation.settings import Settings
from query_api.http.group_lag import GroupLags

MOST_SERVICES = 64
"""Of a kind that are asked."""
_ANSWER_TIMEOUT_S = 1.0
_PROBES = 8
"""Services that are asked at a time."""


class GatewaySample(Struct, frozen=True):
    """A gateway's readiness, and the partitions that it has; ``trouble`` is empty while it is ready."""

    url: str
    ready: bool
    trouble: str
    partitions: list[int]


class ApiSample(Struct, frozen=True):
    """Another query API's readiness, and the offsets that its answers do not include; None: unknown."""

    url: str
    ready: bool
    trouble: str
    lag: int | None


class Services:
    """Finds the gateways and the other query APIs, and asks each for its readiness.

    Gateways are those in the setting ``gateway`` and the members of their group. Query APIs are those at the
    addresses of the host in the setting ``api``; one that has never answered is not reported, because the
    setting may name an address that only others reach. ``instance`` is the name of this query API.
    """

    def __init__(self, settings: Settings, groups: GroupLags, instance: str) -> None:
        self._settings, self._groups, self._instance = settings, groups, instance
        self._known_apis: set[str] = set()
        self._probes = ThreadPoolExecutor(_PROBES, "probe")

    def gateways(self) -> list[GatewaySample]:
        """Each gateway once, by address."""
        answers = self._ask(self._settings.gateway_urls, "gateway")
        try:
            members = self._groups.gateways()
        except KafkaException:
            # Also where Kafka does not allow it: the gateways know each other
            members = _members_in(answers)
        answers |= self._ask((url for url in members if url not in answers), "gateway")
        samples: dict[str, GatewaySample] = {}
        for url, answer in answers.items():
            address = url if isinstance(answer, str) else str(answer.get("address") or url)
            # A name in the settings may lead to any of the members
            shown = address if address in members else url
            samples[shown] = _gateway_sample(shown, answer, members.get(shown))
        return [samples[url] for url in sorted(samples)]

    def apis(self) -> list[ApiSample]:
        """The query APIs besides this one, by address."""
        answers = self._ask(_addresses(self._settings.api), "api")
        self._known_apis |= {url for url, answer in answers.items() if not isinstance(answer, str)}
        return [
            _api_sample(url, answer)
            for url, answer in sorted(answers.items())
            if url in self._known_apis
            and (isinstance(answer, str) or answer.get("instance") != self._instance)
        ]

    def _ask(self, urls: Iterable[str], service: str) -> dict[str, Report | str]:
        """By URL, what each reports, or why there is no report."""
        asked = list(dict.fromkeys(url.rstrip("/") for url in urls))[:MOST_SERVICES]
        return dict(zip(asked, self._probes.map(lambda url: _report_of(url, service), asked), strict=True))


def _report_of(url: str, service: str) -> Report | str:
    try:
        _, report = read_readiness(url, _ANSWER_TIMEOUT_S)
    except NoAnswer as error:
        return str(error)
    return report if report.get("service") == service else another_program(url)


def _members_in(answers: Mapping[str, Report | str]) -> dict[str, list[int]]:
    """The gateways that the gateways report, each with its partitions."""
    members: dict[str, list[int]] = {}
    for url, answer in answers.items():
        if not isinstance(answer, str):
            members |= answer.get("others", {})
            members[answer.get("address") or url] = answer.get("partitions", [])
    return members


def _gateway_sample(url: str, answer: Report | str, partitions: list[int] | None) -> GatewaySample:
    if isinstance(answer, str):
        return GatewaySample(url, False, answer, partitions or [])
    ready = bool(answer.get("ready"))
    troubles = "; ".join(f"partition {p}: {why}" for p, why in answer.get("troubles", {}).items())
    owned = answer.get("partitions", []) if partitions is None else partitions
    return GatewaySample(url, ready, troubles or ("" if ready else "it stops"), owned)


def _api_sample(url: str, answer: Report | str) -> ApiSample:
    if isinstance(answer, str):
        return ApiSample(url, False, answer, None)
    ready, trouble = bool(answer.get("ready")), answer.get("trouble") or ""
    return ApiSample(url, ready, trouble or ("" if ready else "it has not caught up yet"), _lag_in(answer))


def _lag_in(report: Report) -> int | None:
    """Offsets between a query API's position and the store's end, as it reports them."""
    try:
        ends = parse_positions(report["behind"]) if report["behind"] else {}
        position = parse_positions(report["position"]) if report["position"] else {}
    except (LookupError, TypeError, BadPosition):
        return None
    return sum(max(0, end - position.get(p, -1)) for p, end in ends.items())


def _addresses(url: str) -> list[str]:
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
