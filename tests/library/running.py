"""Commands run as a user runs them, but in this process."""

from click.testing import CliRunner, Result

from schemas.settings import Settings


def command(program, settings: Settings, *arguments: str) -> Result:
    """Run a command against the system of ``settings``."""
    environment = {
        f"LIBRARY_{name.upper()}": str(getattr(settings, name))
        for name in ("kafka", "name", "partitions", "data_dir", "deadline")
    }
    return CliRunner().invoke(program, arguments, env=environment)
