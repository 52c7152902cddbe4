"""The lean app: Litestar without the plugins for models that none of our routes has."""

from __future__ import annotations

from litestar import Litestar
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin


class LeanLitestar(Litestar):
    """A Litestar app whose routes speak msgspec and bytes only.

    Litestar looks for pydantic and attrs and, where they are installed, loads plugins for them with both of
    pydantic's versions: three megabytes of each process, and a third of a second of its start.
    """

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]
