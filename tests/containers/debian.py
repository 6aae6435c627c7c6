"""What Debian's packages give a machine that has no container engine and can pull no images."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.containers.commands import NoContainers, run

CLIENT_RELEASE = "trixie"
"""The first Debian release with compose v2 and buildx; older ones take them from there."""
SIGNATURES = "/usr/share/keyrings/debian-archive-keyring.gpg"
POLICY = Path("/usr/sbin/policy-rc.d")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def require_debian() -> None:
    """Raises NoContainers unless this process may install Debian packages."""
    if os.geteuid() != 0 or "ID=debian" not in _release() or shutil.which("apt-get") is None:
        raise NoContainers("making them from Debian's packages takes root on Debian")


def install(**packages: str) -> None:
    """Install the packages of the programs that are missing: ``install(dockerd="docker.io")``."""
    missing = [package for program, package in packages.items() if shutil.which(program) is None]
    if not missing:
        return
    require_debian()
    print(f"installing {', '.join(missing)} with apt-get", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run("apt-get", "update", "-qq", environment=quiet)
    with _starting_nothing():
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing, environment=quiet)


@contextmanager
def _starting_nothing() -> Iterator[None]:
    """As Debian has it: services stay as they are. Else docker.io's engine would outlive the tests."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n", "utf-8")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def client_plugins(home: Path) -> None:
    """Put compose v2 and buildx into the Docker client's configuration directory ``home``."""
    lists, packages, files = home / "apt", home / "packages", home / "files"
    for directory in (lists / "partial", packages / "partial", files, home / "cli-plugins"):
        directory.mkdir(parents=True)
    sources = home / "sources.list"
    sources.write_text(f"deb [signed-by={SIGNATURES}] {_site()} {CLIENT_RELEASE} main\n", "utf-8")
    options = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "-",
        "Dir::State::Lists": lists,
        "Dir::State::Status": "/dev/null",
        "Dir::Cache": packages,
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]
    run(*apt, "update")
    run(*apt, "download", "docker-compose", "docker-buildx", folder=packages)
    for package in packages.glob("*.deb"):
        run("dpkg", "-x", str(package), str(files))
    for plugin in files.glob("usr/libexec/docker/cli-plugins/*"):
        shutil.copy(plugin, home / "cli-plugins")
    for used in (lists, packages, files):
        shutil.rmtree(used)


def python_root(folder: Path) -> None:
    """Fill ``folder`` with a small Debian that has Python, and that trusts what this machine trusts."""
    install(debootstrap="debootstrap")
    release = next(line for line in _release().splitlines() if line.startswith("VERSION_CODENAME="))
    packages = "python3,python3-venv,python-is-python3,ca-certificates"
    codename = release.partition("=")[2].strip('"')
    run("debootstrap", "--variant=minbase", f"--include={packages}", codename, str(folder), _site())
    if CERTIFICATES.exists():
        shutil.copy(CERTIFICATES, folder / CERTIFICATES.relative_to("/"))


def _release() -> str:
    try:
        return Path("/etc/os-release").read_text("utf-8")
    except FileNotFoundError:
        return ""


def _site() -> str:
    """The archive that this machine's apt uses."""
    listed = run("apt-get", "indextargets", "--format", "$(SITE) $(RELEASE)").splitlines()
    main = [line.split()[0] for line in listed if "-" not in line.split()[1]]
    if not main:
        raise NoContainers("apt names no archive: /etc/apt/sources.list is empty")
    return main[0]
