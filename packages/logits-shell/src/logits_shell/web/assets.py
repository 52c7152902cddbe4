"""Assets: serving our own style sheets and modules, the shared look included."""

from __future__ import annotations

from pathlib import Path

from litestar.datastructures import CacheControlHeader
from litestar.router import Router
from litestar.static_files import create_static_files_router  # pyright: ignore[reportUnknownVariableType]

SHARED = Path(__file__).parent / "static"


def assets(*directories: Path, opt: dict[str, object] | None = None) -> Router:
    """Routes under ``/assets`` for an app's own files and the shared ``tokens.css``.

    Args:
        directories: the app's static files, if it has any.
        opt: marks that the app's guard reads, such as who may fetch them.
    """
    return create_static_files_router(
        path="/assets",
        directories=[*directories, SHARED],
        cache_control=CacheControlHeader(max_age=300, public=True),
        opt=opt,
        include_in_schema=False,
    )
