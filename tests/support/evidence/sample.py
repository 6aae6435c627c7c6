"""The sample of the verifier in Go: a small backup, signed checkpoints, and the public key.

``python -m tests.support.evidence.sample`` writes it again.
"""

from pathlib import Path

from evidence.checkpoint import filed
from library.store.backup_file import write
from tests.support.evidence.signed_records import KEY, NEXT_KEY, header_of, sample_records, signed_notes

FOLDER = Path(__file__).parents[3] / "verifier" / "testdata"
PARTITIONS = 3


def sample_checkpoints() -> str:
    """The file of checkpoints: the last five have the signatures of two keys, as while a key is replaced."""
    records = sample_records(PARTITIONS)
    old, both = signed_notes(records, PARTITIONS), signed_notes(records, PARTITIONS, signers=(NEXT_KEY, KEY))
    return "".join(map(filed, old[:-5] + both[-5:]))


def write_sample(folder: Path) -> None:
    """Write the files ``store.backup``, ``checkpoints`` and ``key``."""
    records = sample_records(PARTITIONS)
    write(folder / "store.backup", header_of(records, PARTITIONS), records)
    (folder / "checkpoints").write_text(sample_checkpoints(), "utf-8")
    (folder / "key").write_text(f"{KEY.verifier}\n", "utf-8")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    write_sample(FOLDER)
