"""`logits release`: stands on the command line at once, and loads what it is made of when it is asked for."""

from __future__ import annotations

import click


class _Late(click.Group):
    """Commands of a module that is only imported when one of them is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names."""
        from logits_release.commands import release

        return release.list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One command."""
        from logits_release.commands import release

        return release.get_command(ctx, cmd_name)


release = _Late("release", help="Releases at the vendor: key ceremony, signing, publishing, recall.")
