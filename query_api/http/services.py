"""The gateways and the other query APIs of the system, as they report themselves."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from confluent_kafka import KafkaException
from msgspec import Struct

from foundation.http.readiness import Report
from foundation.settings import Settings
from query_api.http.audit import AuditOperation, audit_of
from query_api.http.group_lag import GroupLags
from query_api.http.other_apis import MOST_SERVICES, ApiSample, OtherApis, report_of

_PROBES = 8
"""Services that are asked at a time."""


class GatewaySample(Struct, frozen=True):
    """A gateway's readiness, and the partitions that it has; ``trouble`` is empty while it is ready."""

    url: str
    ready: bool
    trouble: str
    partitions: list[int]


class Services:
    """Finds the gateways, the other query APIs and the audit, and asks each for its readiness.

    Gateways are those in the setting ``gateway`` and the members of their group. Query APIs: see OtherApis;
    ``instance`` is the name of this one.
    """

    def __init__(self, settings: Settings, groups: GroupLags, instance: str) -> None:
        self._settings, self._groups = settings, groups
        self._probes = ThreadPoolExecutor(_PROBES, "probe")
        self._apis = OtherApis(settings.api, instance, self._probes)

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
        """The query APIs besides this one, by address and name."""
        return self._apis.samples()

    def audit(self) -> AuditOperation | None:
        """The audit in the settings; None: they name none."""
        url = self._settings.audit.rstrip("/")
        if not url:
            return None
        return audit_of(url, self._ask([url], "audit")[url])

    def _ask(self, urls: Iterable[str], service: str) -> dict[str, Report | str]:
        """By URL, what each reports, or why there is no report."""
        asked = list(dict.fromkeys(url.rstrip("/") for url in urls))[:MOST_SERVICES]
        return dict(zip(asked, self._probes.map(lambda url: report_of(url, service), asked), strict=True))


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
