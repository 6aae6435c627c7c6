"""The notary's key file: all of its keys sign, so that an old and a new key overlap."""

from pathlib import Path

from foundation.settings import Settings


def key_file(settings: Settings) -> Path:
    """The key file of the settings; by default in the data directory."""
    return Path(settings.notary_key or Path(settings.data_dir) / "notary.key")


def key_name(settings: Settings) -> str:
    """The name of a new key."""
    return settings.origin or settings.name
