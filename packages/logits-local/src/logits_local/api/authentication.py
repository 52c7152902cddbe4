"""Who a request comes from: the administrator, a ServiceAccount, or nobody in particular."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Any

from logits_local.api.errors import StatusError
from logits_local.api.keys import TokenKey
from logits_local.api.resources import resource
from logits_local.api.store import Store

AUTHENTICATED = "system:authenticated"


@dataclass(frozen=True, slots=True)
class User:
    """A caller.

    Attributes:
        name: user name, such as ``system:serviceaccount:logits:logits-gateway``.
        groups: groups that bindings may name.
    """

    name: str
    groups: tuple[str, ...]


ADMINISTRATOR = User("kubernetes-admin", ("system:masters", AUTHENTICATED))
ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


def service_account_user(namespace: str, name: str) -> User:
    """The user that a ServiceAccount acts as."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
    return User(f"system:serviceaccount:{namespace}:{name}", groups)


class Authenticator:
    """Tells callers by their bearer token.

    Args:
        store: where the accounts and Pods that tokens are bound to must still exist.
        key: verifies ServiceAccount tokens.
        admin_token: the administrator's token.
    """

    def __init__(self, store: Store, key: TokenKey, admin_token: str) -> None:
        self._store = store
        self._key = key
        self._admin_token = admin_token.encode()

    def identify(self, authorization: str) -> User:
        """The caller behind an ``Authorization`` header; empty means anonymous.

        Raises:
            StatusError: Unauthorized for a token that is not, or no longer, valid.
        """
        if not authorization:
            return ANONYMOUS
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer":
            if hmac.compare_digest(token.strip().encode(), self._admin_token):
                return ADMINISTRATOR
            claims = self._key.verify(token.strip())
            if claims is not None and self._holds(claims):
                account = claims["kubernetes.io"]
                return service_account_user(account["namespace"], account["serviceaccount"]["name"])
        raise StatusError("Unauthorized", "Unauthorized")

    def _holds(self, claims: dict[str, Any]) -> bool:
        """Whether what a token is bound to still exists."""
        bound = claims["kubernetes.io"]
        checks = [("serviceaccounts", bound["serviceaccount"])]
        checks += [("pods", bound["pod"])] if "pod" in bound else []
        return all(self._exists(key, bound["namespace"], reference) for key, reference in checks)

    def _exists(self, key: str, namespace: str, reference: dict[str, str]) -> bool:
        found = self._store.get(resource(key), namespace, reference["name"])
        return found is not None and found["metadata"]["uid"] == reference["uid"]
