"""What a caller may do: role-based access control over the stored roles and bindings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from logits_local.api.authentication import User
from logits_local.api.errors import StatusError, forbidden
from logits_local.api.resources import Object, resource
from logits_local.api.store import Store

MASTERS = "system:masters"


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a request wants to do, as rules see it.

    Attributes:
        verb: ``get``, ``list``, ``watch``, ``create``, ``update``, ``patch``, ``delete``, ``deletecollection``.
        path: the path, for requests that are about no resource.
        group: API group.
        resource: plural, with ``/subresource`` where there is one; empty for other paths.
        namespace: empty for the whole cluster.
        name: empty for collections.
    """

    verb: str
    path: str = ""
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""


def _covers(rule: Object, wanted: Attributes) -> bool:
    def allows(field: str, value: str) -> bool:
        values = cast("list[str]", rule.get(field, []))
        return "*" in values or value in values

    if not allows("verbs", wanted.verb):
        return False
    if not wanted.resource:
        urls = cast("list[str]", rule.get("nonResourceURLs", []))
        return any(url == wanted.path or (url.endswith("*") and wanted.path.startswith(url[:-1])) for url in urls)
    subresource = wanted.resource.partition("/")[2]
    covered = allows("resources", wanted.resource) or (
        bool(subresource) and f"*/{subresource}" in rule.get("resources", [])
    )
    names = cast("list[str]", rule.get("resourceNames", []))
    return allows("apiGroups", wanted.group) and covered and (not names or wanted.name in names)


def _concerns(subject: Object, user: User, namespace: str) -> bool:
    kind, name = subject.get("kind"), subject.get("name")
    if kind == "ServiceAccount":
        return user.name == f"system:serviceaccount:{subject.get('namespace', namespace)}:{name}"
    return name == user.name if kind == "User" else kind == "Group" and name in user.groups


class Authorizer:
    """Decides by the roles and bindings in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def require(self, user: User, wanted: Attributes) -> None:
        """Refuse what no rule allows.

        Raises:
            StatusError: Forbidden, in words that name user, verb and resource.
        """
        if MASTERS in user.groups or any(_covers(rule, wanted) for rule in self._rules(user, wanted.namespace)):
            return
        if not wanted.resource:
            why = f'forbidden: User "{user.name}" cannot {wanted.verb} path "{wanted.path}"'
            raise StatusError("Forbidden", why, details={})
        where = f'in the namespace "{wanted.namespace}"' if wanted.namespace else "at the cluster scope"
        what = f'cannot {wanted.verb} resource "{wanted.resource}" in API group "{wanted.group}"'
        plural = wanted.resource.partition("/")[0]
        raise forbidden(plural, wanted.group, wanted.name, f'User "{user.name}" {what} {where}')

    def _rules(self, user: User, namespace: str) -> Iterator[Object]:
        for binding in self._store.objects(resource("rbac.authorization.k8s.io/clusterrolebindings")):
            yield from self._bound(binding, user, "")
        if namespace:
            for binding in self._store.objects(resource("rbac.authorization.k8s.io/rolebindings"), namespace):
                yield from self._bound(binding, user, namespace)

    def _bound(self, binding: Object, user: User, namespace: str) -> Iterator[Object]:
        subjects = cast("list[Object]", binding.get("subjects", []))
        if not any(_concerns(subject, user, namespace) for subject in subjects):
            return
        reference = binding["roleRef"]
        whole = reference["kind"] == "ClusterRole"
        plural = "clusterroles" if whole else "roles"
        kind = resource(f"rbac.authorization.k8s.io/{plural}")
        role = self._store.get(kind, "" if whole else namespace, reference["name"])
        yield from cast("list[Object]", (role or {}).get("rules", None) or [])
