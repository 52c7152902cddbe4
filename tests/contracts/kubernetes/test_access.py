"""Contract: who may do what, and the tokens by which ServiceAccounts prove who they are."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from contracts.kubernetes.cluster import MERGE, Cluster, Object, pod
from contracts.kubernetes.conftest import Namespace

ISSUER = "https://kubernetes.default.svc.cluster.local"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
CONTENT = base64.b64encode(b"canary").decode()


def decoded(part: str) -> bytes:
    """Base64url without padding."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def claims_of(token: str) -> Object:
    """The claims of a token."""
    return json.loads(decoded(token.split(".")[1]))


def request_token(cluster: Cluster, ns: Namespace, account: str = "default", **spec: Any) -> httpx.Response:
    """Ask for a token."""
    return cluster.admin.post(ns.core("serviceaccounts", account, "token"), json={"spec": spec})


def token(cluster: Cluster, ns: Namespace, account: str = "default", **spec: Any) -> str:
    """A token of an account."""
    return cluster.ok(request_token(cluster, ns, account, **spec), 201)["status"]["token"]


def allow(cluster: Cluster, ns: Namespace, *rules: Object, name: str = "allowed") -> None:
    """Let the default account do this."""
    cluster.create(ns.rbac("roles"), {"metadata": {"name": name}, "rules": list(rules)})
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": ns.name}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    cluster.create(ns.rbac("rolebindings"), {"metadata": {"name": name}, "subjects": [subject], "roleRef": reference})


def test_nobody_gets_nothing(cluster: Cluster, ns: Namespace) -> None:
    with cluster.caller(None) as caller:
        response = caller.get(ns.core("pods"))
        assert response.status_code in (401, 403)
        assert response.json()["kind"] == "Status"
        assert caller.get("/healthz").text == "ok"


def test_a_wrong_token_is_refused(cluster: Cluster, ns: Namespace) -> None:
    with cluster.caller("abc.def.ghi") as caller:
        response = caller.get(ns.core("pods"))
    assert (response.status_code, response.json()["reason"]) == (401, "Unauthorized")


def test_a_new_account_may_do_nothing_to_objects(cluster: Cluster, ns: Namespace) -> None:
    with cluster.caller(token(cluster, ns)) as caller:
        response = caller.get(ns.core("pods"))
    assert (response.status_code, response.json()["reason"]) == (403, "Forbidden")
    user = f"system:serviceaccount:{ns.name}:default"
    what = f'User "{user}" cannot list resource "pods" in API group "" in the namespace "{ns.name}"'
    assert response.json()["message"] == f"pods is forbidden: {what}"


def test_rules_allow_exactly_what_they_say(cluster: Cluster, ns: Namespace) -> None:
    allow(cluster, ns, {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]})
    cluster.create(ns.core("pods"), pod("one"))
    with cluster.caller(token(cluster, ns)) as caller:
        statuses = {
            "list": caller.get(ns.core("pods")).status_code,
            "get": caller.get(ns.core("pods", "one")).status_code,
            "status": caller.get(ns.core("pods", "one", "status")).status_code,
            "watch": caller.get(ns.core("pods"), params={"watch": "1", "timeoutSeconds": "1"}).status_code,
            "everywhere": caller.get("/api/v1/pods").status_code,
            "elsewhere": caller.get("/api/v1/namespaces/default/pods").status_code,
            "delete": caller.delete(ns.core("pods", "one")).status_code,
            "secrets": caller.get(ns.core("secrets")).status_code,
            "create": caller.post(ns.core("pods"), json=pod("two")).status_code,
        }
    allowed = {name for name, status in statuses.items() if status == 200}
    assert allowed == {"list", "get"}
    assert {status for name, status in statuses.items() if name not in allowed} == {403}


def test_rules_may_name_objects_and_subresources(cluster: Cluster, ns: Namespace) -> None:
    one = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"], "resourceNames": ["kube-root-ca.crt"]}
    allow(cluster, ns, one, {"apiGroups": [""], "resources": ["pods/status"], "verbs": ["*"]})
    cluster.create(ns.core("pods"), pod("one"))
    with cluster.caller(token(cluster, ns)) as caller:
        assert caller.get(ns.core("configmaps", "kube-root-ca.crt")).status_code == 200
        assert caller.get(ns.core("configmaps", "other")).status_code == 403
        assert caller.get(ns.core("pods", "one", "status")).status_code == 200
        assert caller.get(ns.core("pods", "one")).status_code == 403


def test_a_patch_of_a_secret_answers_with_its_content(cluster: Cluster, ns: Namespace) -> None:
    cluster.create(ns.core("secrets"), {"metadata": {"name": "one"}, "data": {"key": CONTENT}})
    allow(cluster, ns, {"apiGroups": [""], "resources": ["secrets"], "verbs": ["patch"]})
    with cluster.caller(token(cluster, ns)) as caller:
        assert caller.get(ns.core("secrets", "one")).status_code == 403
        for query in ({}, {"dryRun": "All"}):
            headers = {"content-type": MERGE}
            response = caller.patch(ns.core("secrets", "one"), content="{}", headers=headers, params=query)
            assert response.json()["data"] == {"key": CONTENT}
        headers = {"content-type": MERGE, "accept": METADATA}
        response = caller.patch(ns.core("secrets", "one"), content="{}", headers=headers)
    assert response.json()["kind"] == "PartialObjectMetadata"
    assert CONTENT not in response.text


def test_a_token_carries_the_claims_of_its_pod(cluster: Cluster, ns: Namespace) -> None:
    made = cluster.create(ns.core("pods"), pod("one"))
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "one", "uid": made["metadata"]["uid"]}
    answer = cluster.ok(
        request_token(cluster, ns, audiences=["logits-gateway"], expirationSeconds=900, boundObjectRef=reference)
    )
    claims = claims_of(answer["status"]["token"])
    account = cluster.get(ns.core("serviceaccounts", "default"))
    assert claims["aud"] == ["logits-gateway"]
    assert claims["iss"] == ISSUER
    assert claims["sub"] == f"system:serviceaccount:{ns.name}:default"
    assert claims["exp"] - claims["iat"] == 900
    assert claims["nbf"] == claims["iat"]
    assert claims["kubernetes.io"] == {
        "namespace": ns.name,
        "pod": {"name": "one", "uid": made["metadata"]["uid"]},
        "serviceaccount": {"name": "default", "uid": account["metadata"]["uid"]},
    }
    assert (answer["kind"], answer["spec"]["audiences"]) == ("TokenRequest", ["logits-gateway"])


def test_a_token_names_the_node_of_its_pod(cluster: Cluster, ns: Namespace) -> None:
    node = cluster.create("/api/v1/nodes", {"metadata": {"name": f"node-{ns.name}"}})["metadata"]
    cluster.create(ns.core("pods"), pod("one"))
    binding = {"metadata": {"name": "one"}, "target": {"kind": "Node", "name": node["name"]}}
    cluster.ok(cluster.admin.post(ns.core("pods", "one", "binding"), json=binding))
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "one"}
    claims = claims_of(token(cluster, ns, boundObjectRef=reference))
    assert claims["kubernetes.io"]["node"] == {"name": node["name"], "uid": node["uid"]}
    cluster.delete(ns.core("pods", "one"), {"gracePeriodSeconds": 0})
    cluster.ok(cluster.delete(f"/api/v1/nodes/{node['name']}"))


def test_the_published_keys_verify_a_token(cluster: Cluster, ns: Namespace) -> None:
    mine = token(cluster, ns)
    with cluster.caller(mine) as caller:
        keys = cluster.ok(caller.get("/openid/v1/jwks"))["keys"]
        about = cluster.ok(caller.get("/.well-known/openid-configuration"))
    assert about["issuer"] == ISSUER
    head, body, signature = mine.split(".")
    header = json.loads(decoded(head))
    key = next(key for key in keys if key["kid"] == header["kid"])
    assert (key["kty"], key["alg"], header["alg"]) == ("RSA", "RS256", "RS256")
    numbers = [int.from_bytes(decoded(key[name]), "big") for name in ("e", "n")]
    public = rsa.RSAPublicNumbers(numbers[0], numbers[1]).public_key()
    public.verify(decoded(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(InvalidSignature):
        public.verify(decoded(signature), f"{head}.{body}x".encode(), padding.PKCS1v15(), hashes.SHA256())


def test_keys_are_for_service_accounts_only(cluster: Cluster) -> None:
    with cluster.caller(None) as caller:
        assert caller.get("/openid/v1/jwks").status_code in (401, 403)


def test_a_token_for_another_audience_opens_nothing(cluster: Cluster, ns: Namespace) -> None:
    with cluster.caller(token(cluster, ns, audiences=["logits-gateway"])) as caller:
        assert caller.get("/openid/v1/jwks").status_code == 401


def test_a_pods_token_is_its_accounts(cluster: Cluster, ns: Namespace) -> None:
    cluster.create(ns.core("pods"), pod("one"))
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "one"}
    with cluster.caller(token(cluster, ns, boundObjectRef=reference)) as caller:
        assert caller.get("/openid/v1/jwks").status_code == 200


@pytest.mark.parametrize(
    ("spec", "status", "reason"),
    [
        ({"expirationSeconds": 599}, 422, "Invalid"),
        ({"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "nope"}}, 404, "NotFound"),
        ({"expirationSeconds": "long"}, 400, "BadRequest"),
    ],
)
def test_tokens_that_are_not_issued(cluster: Cluster, ns: Namespace, spec: Object, status: int, reason: str) -> None:
    response = request_token(cluster, ns, **spec)
    assert (response.status_code, response.json()["reason"]) == (status, reason)


def test_a_token_is_bound_to_a_pod_of_the_same_account_and_uid(cluster: Cluster, ns: Namespace) -> None:
    cluster.create(ns.core("serviceaccounts"), {"metadata": {"name": "other"}})
    cluster.create(ns.core("pods"), pod("one"))
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "one"}
    assert request_token(cluster, ns, "other", boundObjectRef=reference).status_code == 400
    wrong = reference | {"uid": "00000000-0000-0000-0000-000000000000"}
    assert request_token(cluster, ns, boundObjectRef=wrong).status_code == 409


def test_discovery_is_for_every_account(cluster: Cluster, ns: Namespace) -> None:
    with cluster.caller(token(cluster, ns)) as caller:
        core = cluster.ok(caller.get("/api/v1"))
        groups = {group["name"] for group in cluster.ok(caller.get("/apis"))["groups"]}
        apps = cluster.ok(caller.get("/apis/apps/v1"))
        assert cluster.ok(caller.get("/version"))["major"] == "1"
    pods = next(row for row in core["resources"] if row["name"] == "pods")
    assert (pods["kind"], pods["namespaced"], "po" in pods["shortNames"]) == ("Pod", True, True)
    assert {"apps", "rbac.authorization.k8s.io"} <= groups
    assert {"deployments", "deployments/status"} <= {row["name"] for row in apps["resources"]}
