"""The policy table: who may do what through the Gateway, as data; what no rule allows is denied.

RBAC gives the Gateway its outer limits; this table gives each caller less. Rules match exactly:
no prefix of a resource, no subresource that isn't named, no verb that isn't listed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from logits_core.policy.mode import MODE_RULES

CONTROLLER = "controller"
COLLECTOR = "collector"
CONSOLE = "console"
GATEWAY = "gateway"
CALLERS = (CONTROLLER, COLLECTOR, CONSOLE, GATEWAY)
"""Components that may call the Gateway; every other one is turned away before the table is read."""

OURS = r"logits-[a-z0-9][a-z0-9.-]*"
ANY = r"[a-z0-9][a-z0-9.-]*"
_READ = ("get", "list", "watch")
_WRITE = ("create", "update", "patch")


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: these callers may use these verbs on these resources.

    Attributes:
        id: printed on decisions and recorded in the audit log; never reused.
        callers: components.
        verbs: Kubernetes verbs.
        group: API group.
        resources: plurals.
        names: pattern that the object's name must match as a whole, when the request names one.
        cluster: True for resources without a namespace; otherwise only the release's namespace.
        why: what the caller needs it for.
    """

    id: str
    callers: tuple[str, ...]
    verbs: tuple[str, ...]
    group: str
    resources: tuple[str, ...]
    names: str
    why: str
    cluster: bool = False


@dataclass(frozen=True, slots=True)
class Protected:
    """Objects that nobody but their owner may change, whatever a rule allows."""

    id: str
    resources: tuple[str, ...]
    names: str
    owner: str
    why: str


@dataclass(frozen=True, slots=True)
class Route:
    """A path of the Gateway's own API, as a pattern, and who may use it."""

    id: str
    callers: tuple[str, ...]
    method: str
    path: str
    why: str


RULES: tuple[Rule, ...] = (
    Rule(
        "controller-core-read",
        (CONTROLLER,),
        _READ,
        "",
        ("pods", "services", "configmaps", "persistentvolumeclaims"),
        ANY,
        "observe what runs",
    ),
    Rule(
        "controller-apps-read",
        (CONTROLLER,),
        _READ,
        "apps",
        ("deployments", "replicasets"),
        ANY,
        "observe what runs",
    ),
    Rule(
        "controller-deployments-write",
        (CONTROLLER,),
        (*_WRITE, "delete"),
        "apps",
        ("deployments",),
        OURS,
        "run components and models",
    ),
    Rule(
        "controller-objects-write",
        (CONTROLLER,),
        (*_WRITE, "delete"),
        "",
        ("services", "configmaps"),
        OURS,
        "connect and configure components",
    ),
    Rule(
        "controller-volumes-write",
        (CONTROLLER,),
        _WRITE,
        "",
        ("persistentvolumeclaims",),
        OURS,
        "keep data; only the customer deletes volumes",
    ),
    Rule(
        "controller-secrets-write",
        (CONTROLLER,),
        (*_WRITE, "delete"),
        "",
        ("secrets",),
        OURS,
        "hand secrets to components; never read them",
    ),
    Rule(
        "controller-pods-delete",
        (CONTROLLER,),
        ("delete",),
        "",
        ("pods",),
        OURS,
        "restart a pod that hangs",
    ),
    Rule(
        "controller-nodes-read",
        (CONTROLLER,),
        _READ,
        "",
        ("nodes",),
        ANY,
        "place models on GPUs",
        cluster=True,
    ),
    Rule(
        "controller-discovery-read",
        (CONTROLLER,),
        ("get",),
        "",
        ("/api", "/apis", "/api/v1", "/apis/apps", "/apis/apps/v1", "/version"),
        ANY,
        "learn what the cluster offers",
        cluster=True,
    ),
    Rule("collector-pods-read", (COLLECTOR,), _READ, "", ("pods",), ANY, "find components to scrape"),
    Rule("gateway-pods-read", (GATEWAY,), _READ, "", ("pods",), ANY, "check that a caller's pod is still there"),
    Rule(
        "gateway-limits-read",
        (GATEWAY,),
        _READ,
        "",
        ("configmaps",),
        r"logits-(customizations|anchor)",
        "know the customer's limits",
    ),
    Rule(
        "gateway-nodes-read",
        (GATEWAY,),
        ("list",),
        "",
        ("nodes",),
        ANY,
        "report how many nodes and GPUs there are",
        cluster=True,
    ),
    Rule(
        "gateway-controller-write",
        (GATEWAY,),
        (*_READ, "create", "patch"),
        "apps",
        ("deployments",),
        r"logits-controller",
        "deploy the Controller of the accepted release",
    ),
    Rule(
        "gateway-checkpoint-write",
        (GATEWAY,),
        ("get", "create", "patch"),
        "",
        ("configmaps",),
        r"logits-audit-checkpoint",
        "keep the audit log's newest checkpoint outside its volume",
    ),
    Rule(
        "gateway-discovery-read",
        (GATEWAY,),
        ("get",),
        "",
        ("/version", "/openid/v1/jwks"),
        ANY,
        "verify callers' tokens",
        cluster=True,
    ),
)

_MUTABLE = (
    "deployments",
    "replicasets",
    "pods",
    "services",
    "configmaps",
    "secrets",
    "persistentvolumeclaims",
)
PROTECTED: tuple[Protected, ...] = (
    Protected(
        "protect-gateway",
        _MUTABLE,
        r"logits-gateway([.-].*)?",
        "",
        "only the customer changes the Gateway, with Helm",
    ),
    Protected(
        "protect-environment",
        ("configmaps", "secrets"),
        r"logits-(environment|customizations|anchor)([.-].*)?",
        "",
        "only the customer changes identity and limits, with Helm",
    ),
    Protected(
        "protect-ingress",
        ("secrets",),
        r"logits-ingress",
        "",
        "only the customer writes the Secret that says who may use the Console",
    ),
    Protected(
        "protect-checkpoint",
        ("configmaps",),
        r"logits-audit-checkpoint",
        GATEWAY,
        "only the Gateway writes the audit log's checkpoint",
    ),
    Protected(
        "protect-controller",
        _MUTABLE,
        r"logits-controller([.-].*)?",
        GATEWAY,
        "only the Gateway changes the Controller, from a signed release",
    ),
)

ROUTES: tuple[Route, ...] = (
    Route("console-audit-read", (CONSOLE,), "GET", r"/audit/(entries|logs)", "show the audit log"),
    Route(
        "console-audit-tiles",
        (CONSOLE,),
        "GET",
        r"/audit/log/[0-9]{4}/(checkpoint|tile/[0-9a-z/.]{3,64})",
        "hand the audit log to the customer's verifier and witness",
    ),
    Route("console-egress-read", (CONSOLE,), "GET", r"/egress/(entries|bodies/[0-9.-]{12,20})", "show what left"),
    Route("status-read", (CONSOLE, CONTROLLER), "GET", "/status", "show release and Ops API state"),
    Route("collector-logs-export", (COLLECTOR,), "POST", "/ops/v1/logs", "export redacted logs"),
    Route("collector-metrics-export", (COLLECTOR,), "POST", "/ops/v1/metrics", "export redacted metrics"),
    Route("controller-reports-export", (CONTROLLER,), "POST", "/ops/v1/reports", "report versions and counts"),
)

BODY_RULES: dict[str, str] = {
    "body-identity": "a body names the same kind, namespace and name as its path",
    "body-patch": "patches are server-side apply of whole objects, or merge patches of replicas and metadata",
    "body-fields": "objects say only what the policy's tables list",
    "export-schema": "what leaves for the vendor fits the schema of its kind, line by line",
    "foreign-marks": "labels and annotations are those of Logits, and on pods the customer's",
    "owner-anchor": "owner references point to the release's anchor only",
    "pod-commands": "containers run their image's own entry point: no command, exec probe or hook",
    "pod-component": "pods carry the label of a component that the caller may run",
    "pod-environment": "environment names come from a list, and values never from Secrets",
    "pod-host": "pods share nothing with their node",
    "pod-identity": "pods run under the ServiceAccount without permissions and mount no API token",
    "pod-image-signed": "each component runs the image that the release in force signs for it",
    "pod-limits": "pods stay within the customer's labels, annotations, tolerations and node selector",
    "pod-restricted": "pods meet Pod Security level restricted, with a read-only root file system",
    "pod-volumes": "pods mount only empty directories, their own claims, ConfigMaps and Gateway tokens",
    "secret-type": "Secrets have a type that mints no token",
    "service-exposure": "Services are of type ClusterIP and claim no outside address",
    "volume-source": "claims are new volumes: no clone, no snapshot, no chosen volume",
}
"""Rules on what a body may say; the tables that enforce them stand in the neighbouring rooms."""

DEFAULT_DENY = "default-deny"
SUBRESOURCES = "no-subresources"
COLLECTIONS = "no-deletecollection"
GENERAL_RULES: dict[str, str] = {
    DEFAULT_DENY: "what no row allows is denied",
    SUBRESOURCES: "no subresource is offered: none reads logs, runs commands, opens a channel or writes a status",
    COLLECTIONS: "objects are deleted one at a time, by name",
}


def policy_table() -> dict[str, Any]:
    """The whole policy as JSON values."""
    return {
        "rules": [asdict(row) for row in RULES],
        "protected": [asdict(row) for row in PROTECTED],
        "routes": [asdict(row) for row in ROUTES],
        "bodies": BODY_RULES,
        "modes": MODE_RULES,
        "general": GENERAL_RULES,
    }


@cache
def policy_digest() -> str:
    """SHA-256 of the whole table in hex; every audit event names it."""
    return hashlib.sha256(json.dumps(policy_table(), sort_keys=True).encode()).hexdigest()
