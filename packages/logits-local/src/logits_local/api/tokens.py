"""TokenRequest: short-lived ServiceAccount tokens for an audience, bound to a Pod."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from logits_local.api.authentication import ISSUER
from logits_local.api.errors import Cause, bad_request, conflict, invalid, not_found
from logits_local.api.keys import TokenKey
from logits_local.api.resources import Object, resource
from logits_local.api.store import Store

SHORTEST_SECONDS = 600
LONGEST_SECONDS = 1 << 32
USUAL_SECONDS = 3600


class TokenIssuer:
    """Answers ``serviceaccounts/NAME/token``."""

    def __init__(self, store: Store, key: TokenKey) -> None:
        self._store = store
        self._key = key

    def issue(self, account: Object, request: Object, now: datetime, identifier: str) -> Object:
        """The TokenRequest with its token.

        Args:
            account: the live ServiceAccount.
            request: the TokenRequest as posted.
            now: time of issue.
            identifier: unique id of the token.

        Raises:
            StatusError: Invalid, NotFound or Conflict, naming what cannot be bound or granted.
        """
        spec: Object = request.get("spec") or {}
        seconds = spec.get("expirationSeconds") or USUAL_SECONDS
        audiences = spec.get("audiences") or [ISSUER]
        _check(seconds, audiences)
        metadata = account["metadata"]
        bound: Object = {"namespace": metadata["namespace"]}
        if spec.get("boundObjectRef"):
            bound |= self._bind(account, spec["boundObjectRef"])
        bound["serviceaccount"] = {"name": metadata["name"], "uid": metadata["uid"]}
        issued = int(now.timestamp())
        claims: dict[str, Any] = {
            "aud": audiences,
            "exp": issued + seconds,
            "iat": issued,
            "iss": ISSUER,
            "jti": identifier,
            "kubernetes.io": bound,
            "nbf": issued,
            "sub": f"system:serviceaccount:{metadata['namespace']}:{metadata['name']}",
        }
        expires = datetime.fromtimestamp(issued + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        kept = {name: metadata[name] for name in ("name", "namespace", "uid", "creationTimestamp")}
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": kept,
            "spec": spec | {"audiences": audiences, "expirationSeconds": seconds},
            "status": {"token": self._key.sign(claims), "expirationTimestamp": expires},
        }

    def _bind(self, account: Object, reference: Object) -> Object:
        """The claims that bind a token to a Pod of the account."""
        if reference.get("kind") != "Pod":
            raise bad_request(f"cannot bind token for serviceaccount to object type {reference.get('kind')!r}")
        namespace, name = account["metadata"]["namespace"], reference.get("name", "")
        pod = self._store.get(resource("pods"), namespace, name)
        if pod is None:
            raise not_found("pods", "", name)
        uid = pod["metadata"]["uid"]
        if reference.get("uid", uid) != uid:
            why = f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record"
            raise conflict("pods", "", name, why)
        if pod["spec"]["serviceAccountName"] != account["metadata"]["name"]:
            raise bad_request("cannot bind token for serviceaccount to pod running with different serviceaccount name")
        node = pod["spec"].get("nodeName")
        found = self._store.get(resource("nodes"), "", node) if node else None
        on = {"node": {"name": node, "uid": found["metadata"]["uid"]}} if found else {}
        return on | {"pod": {"name": name, "uid": uid}}


def _check(seconds: Any, audiences: Any) -> None:
    causes: list[Cause] = []
    field = "spec.expirationSeconds"
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        raise bad_request(f"{field} is no whole number")
    if seconds < SHORTEST_SECONDS:
        message = f"Invalid value: {seconds}: may not specify a duration less than 10 minutes"
        causes.append(Cause("FieldValueInvalid", message, field))
    if seconds > LONGEST_SECONDS:
        message = f"Invalid value: {seconds}: may not specify a duration larger than 2^32 seconds"
        causes.append(Cause("FieldValueInvalid", message, field))
    if not isinstance(audiences, list) or not all(isinstance(name, str) for name in audiences):  # pyright: ignore[reportUnknownVariableType]
        raise bad_request("spec.audiences is no list of texts")
    if causes:
        raise invalid("TokenRequest", "authentication.k8s.io", "", causes)
