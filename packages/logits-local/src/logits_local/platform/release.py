"""The first release: made of this checkout's images, signed, kept, and published in the Ops API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from logits_core.errors import ErrorCode, LogitsError
from logits_core.rollout import Release, SignedRelease, sign
from logits_local.platform.components import RELEASED_COMPONENTS
from logits_local.platform.data_directory import write_private
from logits_local.platform.invented import InventedSecrets

_NOT_FOUND = 404


def current_release(
    path: Path, references: Mapping[str, str], version: str, invented: InventedSecrets, now: datetime
) -> SignedRelease:
    """The kept release if it still names these images, or a new one with the next counter.

    Args:
        path: where the last release is kept.
        references: component to image reference.
        version: the version that the images have.
        invented: holds the signing key.
        now: the time of issue of a new release.
    """
    images = {component: references[component] for component in RELEASED_COMPONENTS}
    kept = _kept(path)
    if kept is not None and dict(kept[0].images) == images:
        return kept[1]
    counter = 1 if kept is None else kept[0].counter + 1
    release = Release.make(version=version, counter=counter, issued_at=now, images=images)
    envelope = sign(release, invented.private_key)
    write_private(path, json.dumps(envelope.document()))
    return envelope


def _kept(path: Path) -> tuple[Release, SignedRelease] | None:
    try:
        envelope = SignedRelease.parse(json.loads(path.read_text()))
        return Release.model_validate_json(envelope.payload_bytes()), envelope
    except FileNotFoundError:
        return None
    except (ValueError, LogitsError) as failure:
        raise LogitsError(ErrorCode.CORRUPT, f"{path} is damaged; restore it from a copy") from failure


class Operator:
    """The vendor's operator at the Ops API.

    Args:
        base_url: of the Ops API.
        token: the operator's.
    """

    def __init__(self, base_url: str, token: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
            timeout=httpx.Timeout(10),
        )

    async def __aenter__(self) -> Operator:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def publish(self, envelope: SignedRelease) -> None:
        """Publish a release; publishing the same one again changes nothing."""
        await self._call("POST", "/operator/v1/releases", envelope.document())

    async def desire(self, env_id: str, version: str) -> bool:
        """Make an environment want a version; False while Accounts hasn't made it known yet."""
        path = f"/operator/v1/environments/{env_id}/desired"
        return await self._call("PUT", path, {"version": version}, missing_ok=True) is not None

    async def environment(self, env_id: str) -> dict[str, Any] | None:
        """What the Ops API knows about an environment."""
        return await self._call("GET", f"/operator/v1/environments/{env_id}", None, missing_ok=True)

    async def _call(self, method: str, path: str, body: Any, *, missing_ok: bool = False) -> dict[str, Any] | None:
        try:
            answer = await self._http.request(method, path, json=body)
        except httpx.HTTPError as failure:
            raise LogitsError(
                ErrorCode.UNAVAILABLE, f"the Ops API didn't answer {method} {path}: {failure!r}"
            ) from failure
        if missing_ok and answer.status_code == _NOT_FOUND:
            return None
        if not answer.is_success:
            raise LogitsError(
                ErrorCode.UPSTREAM_FAILED,
                f"the Ops API answered {answer.status_code} to {method} {path}: {answer.text[:300]}",
            )
        return answer.json() if answer.content else {}
