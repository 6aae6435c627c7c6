"""Files of keys, one a line: private ones that sign, and public ones that check signatures."""

import os
import stat
from pathlib import Path

from evidence.note import BadKeyText, Signer, Verifier, new_key
from foundation.settings import BadSettings

READABLE_BY_OTHERS = stat.S_IRWXG | stat.S_IRWXO
COMMENT = "#"


class BadKeyFile(BadSettings):
    """The file has no usable keys, or others can read it; the message says what to do."""


def read_keys(file: Path) -> list[Signer]:
    """The signers of the private keys in a file that only its owner can read. Raises BadKeyFile."""
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


def read_public_keys(file: Path) -> list[Verifier]:
    """The public keys in a file; a line may be a comment after ``#``. Raises BadKeyFile."""
    try:
        lines = [line.strip() for line in file.read_text("utf-8").splitlines()]
        keys = [Verifier(line) for line in lines if line and not line.startswith(COMMENT)]
    except BadKeyText as error:
        raise BadKeyFile(f"a line of {file} is no public key: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadKeyFile(f"{file} can't be read: {error}") from error
    if not keys:
        raise BadKeyFile(f"there is no key in {file}")
    return keys


def add_key(file: Path, name: str) -> Signer:
    """Make a key, and append it to the file, which only its owner can read. Raises BadKeyFile."""
    if file.exists():
        # Not a key is added to a file that would be refused
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
