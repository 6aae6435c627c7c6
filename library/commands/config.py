"""``library config``: the settings, and where each comes from."""

import click

from foundation.cli.app import loaded, setting_flags


@click.group()
def config() -> None:
    """Look at the settings."""


@config.command()
@setting_flags("data_dir")
@click.option("--json", "as_json", is_flag=True, help="JSON lines.")
def show(data_dir: str | None, as_json: bool) -> None:
    """List every setting with its value and where that comes from; secrets are not shown.

    A setting is taken from a flag, else from LIBRARY_<NAME> in the environment, else from library.toml, else
    from the system that runs nearby, else it has its default.
    """
    from foundation.cli.tables import print_rows
    from foundation.settings import SECRETS

    found = loaded({"data_dir": data_dir})
    rows = []
    for name in found.settings.__struct_fields__:
        value = getattr(found.settings, name)
        shown = "…" if name in SECRETS and value else value
        rows.append({"setting": name, "value": shown, "source": found.sources.get(name, "default")})
    print_rows(["setting", "value", "source"], rows, as_json)
