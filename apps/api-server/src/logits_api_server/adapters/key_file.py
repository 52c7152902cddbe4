"""A file of API keys, for an API Server without an Entity DB: hashes only, as the entities have them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from logits_core.entities.kinds import checked_metadata, checked_spec, kind_of
from logits_core.entities.model import Entity
from logits_core.errors import ErrorCode, LogitsError
from logits_core.keys import mint
from logits_shell.files import write_whole


def read_keys(path: Path) -> dict[str, Entity]:
    """Return the keys of a file: JSON, `{"items": [{"metadata": {"name": …}, "spec": {…}}]}`.

    Raises:
        LogitsError: INVALID, naming the file and what is wrong in it.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        items = cast("list[dict[str, Any]]", document["items"])
        entities = [_entity(item) for item in items]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LogitsError(ErrorCode.INVALID, f"{path} is no file of keys: {error}", field="keys") from None
    except LogitsError as error:
        raise LogitsError(ErrorCode.INVALID, f"{path}: {error.message}", field="keys") from None
    return {entity.name: entity for entity in entities}


def add_key(
    path: Path, name: str, limits: dict[str, int], *, random_bytes: Callable[[int], bytes], created_at: str
) -> str:
    """Make a key, add it to a file, and return it: it can't be shown again.

    Args:
        path: Of the file; it's made if it isn't there.
        name: Of the key.
        limits: Fields of the spec such as `requestsPerMinute`.
        random_bytes: Given n, returns n bytes that nobody can guess.
        created_at: RFC 3339 UTC time.

    Raises:
        LogitsError: ALREADY_EXISTS, or INVALID for a name or a file that can't be used.
    """
    keys = read_keys(path) if path.exists() else {}
    if name in keys:
        raise LogitsError(ErrorCode.ALREADY_EXISTS, f"{path} has a key {name!r} already. Choose another name.")
    fresh = mint(random_bytes, created_at)
    spec = {"credentials": [fresh.credential.model_dump(mode="json", by_alias=True)], **limits}
    keys[name] = _entity({"metadata": {"name": name}, "spec": spec})
    items = [{"metadata": {"name": entity.name}, "spec": entity.spec} for entity in keys.values()]
    write_whole(path, json.dumps({"items": items}, indent=2).encode())
    return fresh.key


def _entity(item: dict[str, Any]) -> Entity:
    kind = kind_of("apikeys")
    return Entity(kind=kind.name, metadata=checked_metadata(item["metadata"]), spec=checked_spec(kind, item["spec"]))
