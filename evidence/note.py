"""Signed notes: text with Ed25519 signatures below it, https://c2sp.org/signed-note.

A note is its text, an empty line, and a line for each signature. Keys have the form of the Go package
``golang.org/x/mod/sumdb/note``: ``PRIVATE+KEY+<name>+<id>+<key>`` signs, ``<name>+<id>+<key>`` verifies.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

_ED25519 = b"\x01"
_PRIVATE = "PRIVATE+KEY+"
_DASH = "\u2014"
_KEY_BYTES = 32
ID_BYTES = 4
_MAX_NOTE_BYTES = 1_000_000
_MAX_SIGNATURES = 100
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


class BadKeyText(ValueError):
    """The text is not a key of a signed note."""


class BadNote(ValueError):
    """The text is not a signed note."""


class BadSignature(BadNote):
    """A signature of a known key does not match the text."""


class Unsigned(BadNote):
    """None of the known keys has signed the note."""


class Verifier:
    """Checks the signatures of one key. ``text`` is the key's ``<name>+<id>+<key>``; raises BadKeyText."""

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        self.name, self.id, public = _parsed(self.text)
        if self.id != _key_id(self.name, public):
            raise BadKeyText(f"key {self.name} has an id that is not its own")
        self._public = Ed25519PublicKey.from_public_bytes(public)

    def __str__(self) -> str:
        return self.text

    def matches(self, text: str, signature: bytes) -> bool:
        """Whether ``signature`` is this key's of ``text``."""
        try:
            self._public.verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


class Signer:
    """Signs with one key. ``text`` is the key's ``PRIVATE+KEY+…``; raises BadKeyText."""

    def __init__(self, text: str) -> None:
        text = text.strip()
        if not text.startswith(_PRIVATE):
            raise BadKeyText(f"a private key begins with {_PRIVATE}")
        name, key_id, seed = _parsed(text.removeprefix(_PRIVATE))
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        public = self._key.public_key().public_bytes_raw()
        if key_id != _key_id(name, public):
            raise BadKeyText(f"key {name} has an id that is not its own")
        self.name, self.id = name, key_id
        self.verifier = Verifier(_text(name, key_id, public))

    def sign(self, text: str) -> bytes:
        """The key's id and its signature of ``text``."""
        return self.id + self._key.sign(text.encode())

    def line(self, text: str) -> str:
        """The line of the signature below ``text``."""
        return f"{_DASH} {self.name} {base64.b64encode(self.sign(text)).decode()}\n"


class Note(Struct, frozen=True):
    """A note of which at least one signature was checked. ``signed_by`` names the keys of these."""

    text: str
    signed_by: list[str]


def new_key(name: str) -> str:
    """A new private key, as text. Raises BadKeyText for a name that is empty or has a space or a plus."""
    _check_name(name)
    key = Ed25519PrivateKey.generate()
    key_id = _key_id(name, key.public_key().public_bytes_raw())
    return _PRIVATE + _text(name, key_id, key.private_bytes_raw())


def sign(text: str, signers: Iterable[Signer]) -> str:
    """The note with one signature of each signer. Raises BadNote for a text that a note can't have."""
    if not text.endswith("\n") or _CONTROL.search(text):
        raise BadNote("the text of a note ends with a line end, and has no other control characters")
    return text + "\n" + "".join(signer.line(text) for signer in signers)


def open_note(note: str, verifiers: Sequence[Verifier]) -> Note:
    """Check a note: at least one of the keys has signed it, and none of their signatures is wrong.

    Raises BadSignature, Unsigned, and BadNote for what is not a signed note.
    """
    text, lines = _split(note)
    signed_by: list[str] = []
    for line in lines:
        name, key_id, signature = _signature(line)
        known = next((v for v in verifiers if (v.name, v.id) == (name, key_id)), None)
        if known is None or known.text in signed_by:
            continue
        if not known.matches(text, signature):
            raise BadSignature(f"the signature of {name} does not match the note")
        signed_by.append(known.text)
    if not signed_by:
        raise Unsigned(f"the note is signed by none of the keys: {', '.join(v.text for v in verifiers)}")
    return Note(text, signed_by)


def _split(note: str) -> tuple[str, list[str]]:
    if len(note.encode()) > _MAX_NOTE_BYTES or _CONTROL.search(note):
        raise BadNote("the note is too long, or has control characters")
    text, blank, signatures = note.rpartition("\n\n")
    if not (blank and text and signatures.endswith("\n")):
        raise BadNote("the note has no signatures below an empty line")
    lines = signatures.removesuffix("\n").split("\n")
    if len(lines) > _MAX_SIGNATURES:
        raise BadNote(f"the note has more than {_MAX_SIGNATURES} signatures")
    return text + "\n", lines


def _signature(line: str) -> tuple[str, bytes, bytes]:
    """The key's name and id, and the signature."""
    dash, _, rest = line.partition(" ")
    name, space, encoded = rest.partition(" ")
    raw = _decoded(encoded)
    if dash != _DASH or not (space and _is_name(name)) or raw is None or len(raw) <= ID_BYTES:
        raise BadNote(f"a signature is not {_DASH} <name> <base64>: {line[:80]!r}")
    return name, raw[:ID_BYTES], raw[ID_BYTES:]


def _parsed(text: str) -> tuple[str, bytes, bytes]:
    """Name, id and key of a key's text. Raises BadKeyText."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    raw = _decoded(encoded)
    # The message shows nothing of the text: it may be a private key
    if not _is_name(name) or not re.fullmatch("[0-9a-f]{8}", key_id) or raw is None:
        raise BadKeyText("a key is <name>+<8 hexadecimal digits>+<base64>")
    if raw[:1] != _ED25519 or len(raw) != 1 + _KEY_BYTES:
        raise BadKeyText(f"key {name} is not an Ed25519 key")
    return name, bytes.fromhex(key_id), raw[1:]


def _text(name: str, key_id: bytes, key: bytes) -> str:
    return f"{name}+{key_id.hex()}+{base64.b64encode(_ED25519 + key).decode()}"


def _key_id(name: str, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:ID_BYTES]


def _check_name(name: str) -> None:
    if not _is_name(name):
        raise BadKeyText(f"a key's name is a text without spaces and plus signs, not {name!r}")


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(map(str.isspace, name)) and not _CONTROL.search(name)


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
