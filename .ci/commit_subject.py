"""A commit-msg hook: checks the subject of a commit message. Usage: commit_subject.py FILE."""

import sys
from pathlib import Path

LONGEST = 72
EXEMPT = ("fixup! ", "squash! ", "amend! ", "Merge ", "Revert ")


def complaints(message: str) -> list[str]:
    """Return the faults of the message's subject, one sentence each."""
    lines = [line for line in message.splitlines() if not line.startswith("#")]
    while lines and not lines[0].strip():
        del lines[0]
    if not lines:
        return []  # git itself refuses an empty message
    subject = lines[0]
    if subject.startswith(EXEMPT):
        return []
    found = []
    if len(subject) > LONGEST:
        found.append(f"the subject has {len(subject)} characters, at most {LONGEST} are allowed")
    if len(subject.split()) < 2:
        found.append("the subject needs more than one word")
    if subject.endswith("."):
        found.append("the subject ends with a full stop")
    if subject[0].islower():
        found.append("the subject begins with a small letter")
    if len(lines) > 1 and lines[1].strip():
        found.append("the line after the subject is not empty")
    return found


def main(arguments: list[str]) -> int:
    """Print complaints about the message in the file; return the exit code."""
    found = complaints(Path(arguments[0]).read_text("utf-8"))
    for complaint in found:
        print(f"commit message: {complaint}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
