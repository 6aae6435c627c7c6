"""What a chaos run is to do, and what became of it."""

from msgspec import Struct


class Plan(Struct, frozen=True):
    """Participants, duration and damage of a run."""

    seed: int
    seconds: float
    long: int = 3
    oneshots: int = 2
    gateways: int = 3
    gateway_clients: int = 3
    cut_off: bool = False
    """Whether the others can't reach the last gateway."""
    readers: int = 0
    """Gateway clients that also read; with them run a projector and the query APIs."""
    replays: int = 0
    switches: int = 0
    """Of the query APIs, with readers at work, to another inventory table and back."""
    import_titles: int = 2000
    partitions: int = 2
    broker_kills: int = 0
    transaction_timeout: float = 3.0
    pauses: tuple[float, ...] = (0.3, 1.0, 5.0)
    harm: float = 1.0
    """Share of the usual kills and pauses: where processes start slowly, few of them would be at work."""
    sizes: tuple[int, ...] = (1, 1, 2, 5, 20, 100)
    mutant: str = ""


class Report(Struct, frozen=True):
    """Events of a run, and the checker's violations."""

    seed: int
    mutant: str
    seconds: float
    commands: int
    events: int
    reads: int
    about_borrowers: int
    """Commands."""
    forgotten: int
    """Borrowers."""
    outcomes: dict[str, int]
    done_to: dict[str, int]
    violations: dict[str, int]
    examples: dict[str, str]
