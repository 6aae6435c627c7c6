"""Fetches the page's libraries anew from npm and compares them with the files in the repository.

``query_api/page/vendor/vendor.json`` has the version of each package, and where each file comes from. With
``--write`` the files and their hashes are written: after a change of a version.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "query_api" / "page" / "vendor"
NPM_TIMEOUT_S = 120


def fetched(package: str, version: str, folder: Path) -> tarfile.TarFile:
    """A package as the npm registry has it."""
    command = ["npm", "pack", "--silent", "--pack-destination", str(folder), f"{package}@{version}"]
    packed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=NPM_TIMEOUT_S)
    return tarfile.open(folder / packed.stdout.split()[-1])


def content_of(package: tarfile.TarFile, source: dict[str, str]) -> bytes:
    """A vendored file: the package's, and the additions that make a module of a script."""
    member = package.extractfile(f"package/{source['from']}")
    assert member is not None, source
    return member.read() + source.get("append", "").encode()


def differences(listed: dict[str, Any], folder: Path, write: bool) -> list[str]:
    """Files that differ from npm's or from their hash. With ``write`` they are replaced."""
    found = []
    for name, package in listed.items():
        with fetched(name, package["version"], folder) as archive:
            for target, source in package["files"].items():
                content = content_of(archive, source)
                digest = hashlib.sha256(content).hexdigest()
                file = FOLDER / target
                if write:
                    file.write_bytes(content)
                    source["sha256"] = digest
                elif digest != source["sha256"] or file.read_bytes() != content:
                    found.append(f"{target} differs from {source['from']} of {name} {package['version']}")
    return found


def main() -> int:
    """Compare, or write. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the files and their hashes")
    write = parser.parse_args().write
    table = FOLDER / "vendor.json"
    listed = json.loads(table.read_text("utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        found = differences(listed, Path(folder), write)
    if write:
        table.write_text(json.dumps(listed, indent=2) + "\n", "utf-8")
    files = sum(len(package["files"]) for package in listed.values())
    print("\n".join(found) or f"{files} files {'written' if write else 'are as npm has them'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
