"""Responses: what the API server's answers may tell, so that no verb reads a Secret's content."""

from __future__ import annotations

from typing import Any, cast

from logits_core.policy.request import RequestInfo

JSON = "application/json"
JWKS = "application/jwk-set+json"
JWKS_PATH = "/openid/v1/jwks"
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_KEPT = ("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "labels")


def accepts(request: RequestInfo) -> str:
    """The Accept header that goes upstream: for Secrets, metadata is all that the server shall send."""
    if request.path == JWKS_PATH:
        return JWKS  # the one document that the server offers in no other type
    return METADATA_ONLY if request.resource == "secrets" else JSON


def is_secret(request: RequestInfo) -> bool:
    """Whether answers must be stripped as well, in case the server sends more than it was asked for."""
    return request.resource == "secrets"


def without_content(answer: Any) -> dict[str, Any]:
    """An answer about a Secret, rebuilt from what is known to be harmless.

    Annotations are left out, because last-applied copies hold data; so are the texts of failures,
    because validation messages echo values.
    """
    given = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
    if given.get("kind") == "Status":
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": given.get("status", "Failure"),
            "message": "the API server's words about a Secret are withheld",
            "reason": given.get("reason", ""),
            "code": given.get("code", 500),
        }
    metadata: dict[str, Any] = given.get("metadata") or {}
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {key: metadata[key] for key in _KEPT if key in metadata},
    }
