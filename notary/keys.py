"""The notary's key file: one private key a line. All of them sign, so that an old and a new key overlap."""

import os
import stat
from pathlib import Path

from evidence.note import BadKeyText, Signer, new_key
from foundation.settings import Settings

READABLE_BY_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def key_file(settings: Settings) -> Path:
    """The key file of the settings; by default in the data directory."""
    return Path(settings.notary_key or Path(settings.data_dir) / "notary.key")


def key_name(settings: Settings) -> str:
    """The name of a new key."""
    return settings.origin or settings.name


class BadKeyFile(Exception):
    """The file has no usable keys, or others can read it; the message says what to do."""


def read_keys(file: Path) -> list[Signer]:
    """The signers of the keys in the file. Raises BadKeyFile."""
    try:
        with file.open() as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            if mode & READABLE_BY_OTHERS:
                raise BadKeyFile(f"{file} can be read by others (mode {mode:04o}): `chmod 600 {file}`")
            lines = opened.read().split()
    except FileNotFoundError as error:
        raise BadKeyFile(f"there is no key in {file}: `library notary --new-key` makes one") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadKeyFile(f"{file} can't be read: {error}") from error
    try:
        signers = [Signer(line) for line in lines]
    except BadKeyText as error:
        raise BadKeyFile(f"a line of {file} is no private key: {error}") from error
    if not signers:
        raise BadKeyFile(f"there is no key in {file}: `library notary --new-key` makes one")
    return signers


def add_key(file: Path, name: str) -> Signer:
    """Make a key, and append it to the file, which only its owner can read. Raises BadKeyFile."""
    if file.exists():
        # Not a key is added to a file that the notary would refuse
        read_keys(file)
    try:
        text = new_key(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "a") as opened:
            opened.write(f"{text}\n")
            opened.flush()
            os.fsync(opened.fileno())
    except BadKeyText as error:
        raise BadKeyFile(str(error)) from error
    except OSError as error:
        raise BadKeyFile(f"{file} can't be written: {error}") from error
    return Signer(text)
