"""``library config``: the settings and their sources."""

from typing import Any

import click

from foundation.cli.app import FLAGS, loaded, setting_flags


@click.group()
def config() -> None:
    """Show the settings."""


@config.command()
@setting_flags(*FLAGS)
@click.option("--json", "as_json", is_flag=True, help="JSON lines.")
def show(as_json: bool, **flags: Any) -> None:
    """List the settings that a command with the same flags would use; secrets are masked.

    The first source that has the setting wins: flag, LIBRARY_<NAME> in the environment, library.toml, the
    system that runs nearby, the default.
    """
    from foundation.cli.tables import print_rows
    from foundation.settings import SECRETS

    loading = loaded(flags)
    rows = []
    for name in loading.settings.__struct_fields__:
        value = getattr(loading.settings, name)
        shown = "…" if name in SECRETS and value else value
        rows.append({"setting": name, "value": shown, "source": loading.sources.get(name, "default")})
    print_rows(["setting", "value", "source"], rows, as_json)
