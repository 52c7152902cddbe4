"""The attacks that are single requests, as data: each with the name under which it is known.

``attack N`` numbers follow the product's own list of attacks; CVE numbers name the bug in another
product whose pattern is replayed here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from simulators.gateway_site import NAMESPACE

CORE = f"/kubernetes/api/v1/namespaces/{NAMESPACE}"
APPS = f"/kubernetes/apis/apps/v1/namespaces/{NAMESPACE}"
JSON = "application/json"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
IMAGE = json.dumps({"spec": {"template": {"spec": {"containers": [{"name": "gateway", "image": "evil"}]}}}}).encode()


@dataclass(frozen=True)
class Attack:
    """One request and how it must end.

    Attributes:
        name: what it is known as.
        method: HTTP method.
        target: as sent.
        status: of the refusal.
        rule: the deciding rule; empty for requests that don't get that far.
        body: as sent.
        content_type: of the body.
        headers: further ones, as sent.
    """

    name: str
    method: str
    target: str
    status: int
    rule: str = ""
    body: bytes = b""
    content_type: str = ""
    headers: tuple[tuple[str, str], ...] = ()


def _config(name: str, **parts: Any) -> bytes:
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **parts}).encode()


def _kind(kind: str, **parts: Any) -> bytes:
    return json.dumps({"apiVersion": "v1", "kind": kind, "metadata": {"name": "logits-a"}, **parts}).encode()


POD = {"containers": [{"name": "a", "image": "a"}], "serviceAccountName": "logits-gateway"}
OWN = (
    ("deployments", APPS, "logits-gateway"),
    ("replicasets", APPS, "logits-gateway-7d9f"),
    ("pods", CORE, "logits-gateway-0"),
    ("services", CORE, "logits-gateway"),
    ("persistentvolumeclaims", CORE, "logits-gateway"),
    ("configmaps", CORE, "logits-customizations"),
    ("configmaps", CORE, "logits-anchor"),
    ("configmaps", CORE, "logits-audit-checkpoint"),
    ("secrets", CORE, "logits-environment"),
    ("secrets", CORE, "logits-ingress"),
    ("deployments", APPS, "logits-controller"),
)

TAKE_OVER = [
    Attack("attack 1: patch the Gateway's image", "PATCH", f"{APPS}/deployments/logits-gateway", 403,
           "protect-gateway", IMAGE, STRATEGIC),
    Attack("attack 1: merge-patch the Gateway's image", "PATCH", f"{APPS}/deployments/logits-gateway", 403,
           "protect-gateway", IMAGE, MERGE),
    Attack("attack 1: scale the Gateway to nothing", "PATCH", f"{APPS}/deployments/logits-gateway", 403,
           "protect-gateway", b'{"spec":{"replicas":0}}', MERGE),
    Attack("attack 1: scale through the subresource", "PATCH", f"{APPS}/deployments/logits-gateway/scale", 403,
           "no-subresources", b'{"spec":{"replicas":0}}', MERGE),
    Attack("attack 1: loosen the customer's limits", "PATCH", f"{CORE}/configmaps/logits-customizations", 403,
           "protect-environment", b'{"data":{"nodeSelector":"{}"}}', MERGE),
    Attack("attack 1: set the customer's mode", "PATCH", f"{CORE}/configmaps/logits-customizations", 403,
           "protect-environment", b'{"metadata":{"annotations":{"logits.ai/mode":"normal"}}}', MERGE),
    Attack("attack 1: create limits under a protected name", "POST", f"{CORE}/configmaps", 403,
           "protect-environment", _config("logits-customizations"), JSON),
    Attack("attack 1: delete the Gateway's NetworkPolicy", "DELETE",
           f"/kubernetes/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/networkpolicies/logits-gateway", 403,
           "default-deny"),
    Attack("attack 1: widen the Gateway's Role", "PATCH",
           f"/kubernetes/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/roles/logits-gateway", 403,
           "default-deny", b"{}", MERGE),
    Attack("attack 1: unbind the admission policy", "DELETE",
           "/kubernetes/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/logits-gateway", 403,
           "default-deny"),
    *(Attack(f"attack 1: {verb} {plural}/{name}", verb, f"{root}/{plural}/{name}", 403)
      for plural, root, name in OWN for verb in ("PUT", "PATCH", "DELETE")),
    Attack("attack 2: a pod of its own under the Gateway's account", "POST", f"{CORE}/pods", 403,
           "default-deny", _kind("Pod", spec=POD), JSON),
    Attack("attack 2: a pod by another workload kind", "POST", f"{APPS}/daemonsets", 403,
           "default-deny", b'{"apiVersion":"apps/v1","kind":"DaemonSet"}', JSON),
    Attack("attack 2: a pod by a Job", "POST", f"/kubernetes/apis/batch/v1/namespaces/{NAMESPACE}/jobs", 403,
           "default-deny", b'{"apiVersion":"batch/v1","kind":"Job"}', JSON),
    Attack("attack 2: a ReplicaSet under no Deployment", "POST", f"{APPS}/replicasets", 403,
           "default-deny", b'{"apiVersion":"apps/v1","kind":"ReplicaSet"}', JSON),
    Attack("attack 2: mint a token of the Gateway's account", "POST",
           f"{CORE}/serviceaccounts/logits-gateway/token", 403, "no-subresources", b"{}", JSON),
    Attack("attack 2: bind the pod to a node itself", "POST", f"{CORE}/pods/logits-a/binding", 403,
           "no-subresources", b"{}", JSON),
    Attack("attack 2, teleport#40906: ephemeral containers", "PATCH", f"{CORE}/pods/logits-a/ephemeralcontainers",
           403, "no-subresources", b"{}", STRATEGIC),
    Attack("Capsule GHSA-p8j8-x28r-3c9v, GHSA-wpv2-mpqq-vv52: write a status", "PATCH",
           f"{APPS}/deployments/logits-a/status", 403, "no-subresources", b"{}", MERGE),
    Attack("Capsule GHSA-4qv9-xv9f-w5xh: finalize the namespace", "PUT",
           f"/kubernetes/api/v1/namespaces/{NAMESPACE}/finalize", 405, "", b"{}", JSON),
]  # fmt: skip

SECRETS = [
    Attack("attack 3: get", "GET", f"{CORE}/secrets/logits-environment", 403, "default-deny"),
    Attack("attack 3: list", "GET", f"{CORE}/secrets", 403, "default-deny"),
    Attack("attack 3: watch", "GET", f"{CORE}/secrets?watch=true", 403, "default-deny"),
    Attack("attack 3: list with whole objects in a Table", "GET", f"{CORE}/secrets?includeObject=Object", 400),
    Attack("attack 3: empty merge patch", "PATCH", f"{CORE}/secrets/logits-a", 403, "body-patch", b"{}", MERGE),
    Attack("attack 3: empty merge patch of the environment", "PATCH", f"{CORE}/secrets/logits-environment", 403,
           "protect-environment", b"{}", MERGE),
    Attack("attack 3: dry run of an empty apply", "PATCH",
           f"{CORE}/secrets/logits-environment?dryRun=All&fieldManager=a", 403, "protect-environment",
           _kind("Secret"), APPLY),
    Attack("attack 3: delete a collection", "DELETE", f"{CORE}/secrets", 403, "no-deletecollection"),
    Attack("attack 3: delete a collection by selector", "DELETE", f"{CORE}/secrets?labelSelector=a", 400),
    Attack("attack 3: add a finalizer, so that a delete answers with the object", "PATCH",
           f"{CORE}/secrets/logits-a", 403, "body-fields",
           json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "logits-a", "finalizers": ["a/b"]}})
           .encode(), APPLY),
    Attack("CVE-2022-3162: a neighbour's resource by traversal", "GET", f"{CORE}/configmaps/../secrets", 400),
    Attack("CVE-2022-3162: a resource by its prefix", "GET", f"{CORE}/secretsx", 403, "default-deny"),
    Attack("attack 4: a Secret that mints a token", "POST", f"{CORE}/secrets", 403, "secret-type",
           _kind("Secret", type="kubernetes.io/service-account-token"), JSON),
    Attack("attack 4: a Secret that bootstraps a node", "POST", f"{CORE}/secrets", 403, "secret-type",
           _kind("Secret", type="bootstrap.kubernetes.io/token"), JSON),
]  # fmt: skip

HEADERS = [
    *(Attack(f"attack 5: {name}", "GET", f"{CORE}/pods", 400, headers=((name, value),))
      for name, value in (
          ("Impersonate-User", "system:admin"), ("iMpErSoNaTe-UsEr", "system:admin"),
          ("Impersonate-Group", "system:masters"), ("Impersonate-Uid", "1"), ("Impersonate-Extra-scopes", "a"),
          ("X-Remote-User", "system:admin"), ("X-Remote-Group", "system:masters"), ("Proxy-Authorization", "a"),
          ("X-HTTP-Method-Override", "DELETE"), ("Expect", "100-continue"), ("Content-Encoding", "gzip"),
      )),
    Attack("CVE-2021-31999, CVE-2022-23652: Connection names a header to drop", "GET", f"{CORE}/pods", 400,
           headers=(("Connection", "Impersonate-User, close"),)),
    Attack("labstack/echo: Connection: X-Real-IP", "GET", f"{CORE}/pods", 400, headers=(("Connection", "X-Real-IP"),)),
    Attack("attack 5: two Authorization headers", "GET", f"{CORE}/pods", 401,
           headers=(("Authorization", "Bearer a"),)),
    Attack("CVE-2018-1002105: upgrade of a read", "GET", f"{CORE}/pods", 400,
           headers=(("Connection", "Upgrade"), ("Upgrade", "websocket"))),
    Attack("CVE-2018-1002105: upgrade of an exec", "POST", f"{CORE}/pods/logits-a/exec?command=id", 400,
           headers=(("Connection", "Upgrade"), ("Upgrade", "SPDY/3.1"))),
]  # fmt: skip

CHANNELS = [
    *(Attack(f"attack 8, k8s#78741: {verb} {sub}", verb, f"{CORE}/pods/logits-a/{sub}", 403, "no-subresources")
      for sub in ("exec", "attach", "portforward", "log") for verb in ("GET", "POST")),
    *(Attack(f"CVE-2020-8562, CVE-2022-3294, k8s#119270: {plural}/proxy", "GET", target, status)
      for plural, target, status in (
          ("pods", f"{CORE}/pods/logits-a/proxy", 403), ("services", f"{CORE}/services/logits-a/proxy", 403),
          ("nodes", "/kubernetes/api/v1/nodes/node-a/proxy", 403),
          ("proxy prefix", f"/kubernetes/api/v1/proxy/namespaces/{NAMESPACE}/pods/logits-a", 400),
          ("proxied path", f"{CORE}/services/logits-a/proxy/metrics", 400),
      )),
    Attack("CVE-2020-8554: externalIPs", "POST", f"{CORE}/services", 403, "service-exposure",
           _kind("Service", spec={"ports": [{"port": 443}], "externalIPs": ["1.1.1.1"]}), JSON),
    Attack("CVE-2020-8554: a load balancer's address", "POST", f"{CORE}/services", 403, "service-exposure",
           _kind("Service", spec={"ports": [{"port": 443}], "loadBalancerIP": "1.1.1.1"}), JSON),
    Attack("attack 8: an ExternalName into another network", "POST", f"{CORE}/services", 403, "service-exposure",
           _kind("Service", spec={"ports": [{"port": 1}], "type": "ExternalName", "externalName": "a"}), JSON),
]  # fmt: skip

PATHS = [
    *(Attack(f"attack 6: {name}", "GET", target, status)
      for name, target, status in (
          ("escaped dots", f"{CORE}/configmaps/%2e%2e/secrets", 400),
          ("escaped slash", f"{CORE}/configmaps%2flogits-a", 400),
          ("doubled slash", f"/kubernetes/api/v1//namespaces/{NAMESPACE}/pods", 400),
          ("trailing slash", f"{CORE}/pods/", 400),
          ("legacy watch prefix", f"/kubernetes/api/v1/watch/namespaces/{NAMESPACE}/secrets", 400),
          ("a group without a name", "/kubernetes/apis/v1", 403),
          ("semicolon parameters", f"{CORE}/pods;a=b", 400), ("backslash", f"{CORE}/pods\\a", 400),
          ("upper case", f"/kubernetes/api/v1/namespaces/{NAMESPACE}/Secrets", 400),
          ("another namespace", "/kubernetes/api/v1/namespaces/kube-system/pods", 403),
          ("all namespaces", "/kubernetes/api/v1/pods", 403), ("the server's metrics", "/kubernetes/metrics", 404),
          ("watch in capitals", f"{CORE}/pods?watch=TRUE", 400),
          ("a parameter twice", f"{CORE}/pods?limit=1&limit=2", 400),
          ("a parameter that isn't offered", f"{CORE}/pods?pretty=true", 400),
          ("a query of a megabyte", f"{CORE}/pods?labelSelector={'a' * 8192}", 400),
          ("a path of a kilobyte", f"{CORE}/pods/{'a' * 1024}", 400),
      )),
    Attack("attack 6: repeated fieldManager", "PATCH", f"{CORE}/configmaps/logits-a?fieldManager=a&fieldManager=b", 400,
           body=_config("logits-a"), content_type=APPLY),
    *(Attack(f"attack 6: method {method}", method, f"{CORE}/pods", 405) for method in ("OPTIONS", "TRACE", "HEAD")),
    Attack("CVE-2021-25320: another environment's place at the vendor", "POST",
           "/ops/v1/environments/00000000-0000-4000-8000-000000000000/logs", 404, body=b"{}", content_type=JSON),
]  # fmt: skip

BODIES = [
    *(Attack(f"attack 7: {name}", "PATCH", f"{CORE}/configmaps/logits-a?fieldManager=a", status, body=body,
             content_type=content_type)
      for name, body, content_type, status in (
          ("a key twice", b'{"kind":"ConfigMap","kind":"Secret"}', APPLY, 400),
          ("a key twice, once escaped", b'{"kind":"ConfigMap","k\\u0069nd":"Secret"}', APPLY, 400),
          ("ten thousand levels", b"[" * 10_000 + b"]" * 10_000, APPLY, 400),
          ("a YAML bomb (CVE-2019-11254)", b"a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n", APPLY, 400),
          ("YAML that is JSON to nobody", b"{kind: ConfigMap}", APPLY, 400),
          ("not a number", b'{"a":NaN}', APPLY, 400), ("a lone surrogate", b'{"a":"\\ud800"}', APPLY, 400),
          ("a strategic patch directive", b'{"$patch":"delete"}', STRATEGIC, 415),
          ("a JSON patch", b'[{"op":"remove","path":"/data"}]', JSON_PATCH, 415),
          ("protobuf", b"k8s\x00", "application/vnd.kubernetes.protobuf", 415),
          ("CBOR", b"\xd9\xd9\xf7\xa0", "application/cbor", 415),
      )),
    Attack("attack 7: a directive in an apply", "PATCH", f"{CORE}/configmaps/logits-a?fieldManager=a", 403,
           "body-fields", _config("logits-a", **{"$patch": "delete"}), APPLY),
    Attack("attack 7: four megabytes", "PATCH", f"{CORE}/configmaps/logits-a?fieldManager=a", 413,
           body=b" " * (4 << 20), content_type=APPLY),
    Attack("attack 13: data in an annotation that others act on", "PATCH", f"{CORE}/configmaps/logits-a", 403,
           "foreign-marks", b'{"metadata":{"annotations":{"external-dns.alpha.kubernetes.io/hostname":"x"}}}', MERGE),
    Attack("attack 3: an error message that would echo a value", "POST", f"{CORE}/secrets", 403, "body-fields",
           _kind("Secret", type="Opaque", data={"a": "canary"}, unknown="canary"), JSON),
]  # fmt: skip

EVERYTHING = [*TAKE_OVER, *SECRETS, *HEADERS, *CHANNELS, *PATHS, *BODIES]
