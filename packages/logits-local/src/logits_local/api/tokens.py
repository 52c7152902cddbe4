"""TokenRequest: short-lived ServiceAccount tokens for an audience, bound to a Pod."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import msgspec

from logits_local.api.errors import Cause, bad_request, conflict, invalid, not_found
from logits_local.api.keys import ISSUER, TokenKey
from logits_local.api.resources import Object, resource
from logits_local.api.store import Store

SHORTEST_SECONDS = 600
LONGEST_SECONDS = 1 << 32


class _Reference(msgspec.Struct):
    """The object that a token dies with."""

    kind: str = ""
    name: str = ""
    uid: str = ""


class _Spec(msgspec.Struct, rename="camel"):
    """What of a TokenRequest's specification counts."""

    expiration_seconds: int = 3600
    audiences: list[str] = []
    bound_object_ref: _Reference | None = None


class TokenIssuer:
    """Answers ``serviceaccounts/NAME/token``."""

    def __init__(self, store: Store, key: TokenKey) -> None:
        self._store = store
        self._key = key

    def issue(self, account: Object, request: Object, identifier: str) -> Object:
        """The TokenRequest with its token.

        Args:
            account: the live ServiceAccount.
            request: the TokenRequest as posted.
            identifier: unique id of the token.

        Raises:
            StatusError: BadRequest, Invalid, NotFound or Conflict, naming what cannot be bound or granted.
        """
        try:
            spec = msgspec.convert(request.get("spec") or {}, _Spec)
        except msgspec.ValidationError as error:
            raise bad_request(f"spec: {error}") from None
        if not SHORTEST_SECONDS <= spec.expiration_seconds <= LONGEST_SECONDS:
            message = f"Invalid value: {spec.expiration_seconds}: may be 10 minutes to 2^32 seconds"
            cause = Cause("FieldValueInvalid", message, "spec.expirationSeconds")
            raise invalid("TokenRequest", "authentication.k8s.io", "", [cause])
        metadata = account["metadata"]
        bound = self._bind(account, spec.bound_object_ref) if spec.bound_object_ref else {}
        own = {"name": metadata["name"], "uid": metadata["uid"]}
        issued, audiences = int(time.time()), spec.audiences or [ISSUER]
        expires = issued + spec.expiration_seconds
        claims: dict[str, Any] = {
            "aud": audiences,
            "exp": expires,
            "iat": issued,
            "iss": ISSUER,
            "jti": identifier,
            "kubernetes.io": {**bound, "namespace": metadata["namespace"], "serviceaccount": own},
            "nbf": issued,
            "sub": f"system:serviceaccount:{metadata['namespace']}:{metadata['name']}",
        }
        until = datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {name: metadata[name] for name in ("name", "namespace", "creationTimestamp")},
            "spec": {"audiences": audiences, "expirationSeconds": spec.expiration_seconds},
            "status": {"token": self._key.sign(claims), "expirationTimestamp": until},
        }

    def _bind(self, account: Object, reference: _Reference) -> Object:
        """The claims that bind a token to a Pod of the account, with the node where it runs."""
        if reference.kind != "Pod":
            raise bad_request(f"cannot bind token for serviceaccount to object type {reference.kind!r}")
        pod = self._store.get(resource("pods"), account["metadata"]["namespace"], reference.name)
        if pod is None:
            raise not_found("pods", "", reference.name)
        uid = pod["metadata"]["uid"]
        if reference.uid not in ("", uid):
            why = f"the UID in the bound object reference ({reference.uid}) does not match the UID in record"
            raise conflict("pods", "", reference.name, why)
        if pod["spec"]["serviceAccountName"] != account["metadata"]["name"]:
            raise bad_request("cannot bind token for serviceaccount to pod running with different serviceaccount name")
        node = self._store.get(resource("nodes"), "", pod["spec"].get("nodeName", ""))
        placed: Object = {"node": {"name": node["metadata"]["name"], "uid": node["metadata"]["uid"]}} if node else {}
        return {**placed, "pod": {"name": reference.name, "uid": uid}}
