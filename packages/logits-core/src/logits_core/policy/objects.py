"""Objects: the table of everything that each kind may say when it is created, replaced or applied."""

from __future__ import annotations

from logits_core.policy.pods import LABEL_KEY, OUR_MARKS, POD_TEMPLATE
from logits_core.policy.shapes import (
    Shape,
    anything,
    either,
    equals,
    fields,
    integer,
    listing,
    mapping,
    never,
    ruled,
    text,
)

ANCHOR = "logits-anchor"

_COUNT = integer(0, 2**31 - 1)
_PERCENT = either(_COUNT, text(r"[0-9]{1,3}%"))
_TEXTS = mapping(r"[A-Za-z0-9._-]{1,253}", text(limit=1024 * 1024))
_LABELS = mapping(LABEL_KEY, text(r"[A-Za-z0-9._-]{0,63}"))
# Ingress, DNS, mesh and cloud software acts on marks of objects that it doesn't own, so only harmless ones pass.
_OUR_LABELS = ruled("foreign-marks", mapping(OUR_MARKS, text(r"[A-Za-z0-9._-]{0,63}")))
_OUR_ANNOTATIONS = ruled(
    "foreign-marks",
    mapping(
        OUR_MARKS + r"|kubectl\.kubernetes\.io/last-applied-configuration|deployment\.kubernetes\.io/revision",
        text(limit=65_536),
    ),
)

_OWNERS = ruled(
    "owner-anchor",
    listing(
        fields(
            {
                "apiVersion": equals("v1"),
                "kind": equals("ConfigMap"),
                "name": equals(ANCHOR),
                "uid": text(r"[0-9a-f-]{36}"),
                "controller": equals(False),
                "blockOwnerDeletion": equals(False),
            },
            required=("apiVersion", "kind", "name", "uid"),
        )
    ),
)

METADATA: Shape = fields(
    {
        "name": text(r"[a-z0-9][a-z0-9.-]{0,252}"),
        "namespace": text(r"[a-z0-9-]{1,63}"),
        "labels": _OUR_LABELS,
        "annotations": _OUR_ANNOTATIONS,
        "ownerReferences": _OWNERS,
        "finalizers": equals([], None),
        "resourceVersion": text(r"[0-9]*"),
        # What the server wrote itself comes back in a replace; it ignores what is sent.
        "uid": text(r"[0-9a-f-]{36}"),
        "generation": _COUNT,
        "creationTimestamp": anything,
        "managedFields": anything,
    },
    required=("name",),
)

_SELECTOR = fields({"matchLabels": _LABELS}, required=("matchLabels",))
_DEPLOYMENT_SPEC = fields(
    {
        "replicas": integer(0, 1000),
        "selector": _SELECTOR,
        "template": POD_TEMPLATE,
        "strategy": fields(
            {
                "type": equals("Recreate", "RollingUpdate"),
                "rollingUpdate": either(equals(None), fields({"maxSurge": _PERCENT, "maxUnavailable": _PERCENT})),
            }
        ),
        "minReadySeconds": _COUNT,
        "progressDeadlineSeconds": _COUNT,
        "revisionHistoryLimit": _COUNT,
        "paused": equals(False),
    },
    required=("selector", "template"),
)

_OUTSIDE = ruled("service-exposure", never("would claim an address outside the cluster; leave it out"))
_SERVICE_SPEC = fields(
    {
        "type": ruled("service-exposure", equals("ClusterIP")),
        "selector": _LABELS,
        "ports": listing(
            fields(
                {
                    "name": text(r"[a-z0-9-]{1,15}"),
                    "port": integer(1, 65535),
                    "targetPort": either(integer(1, 65535), text(r"[a-z0-9-]{1,15}")),
                    "protocol": equals("TCP"),
                    "appProtocol": text(limit=64),
                    "nodePort": _OUTSIDE,
                }
            )
        ),
        "clusterIP": text(r"None|[0-9a-f.:]*"),
        "clusterIPs": listing(text(r"None|[0-9a-f.:]*")),
        "ipFamilies": listing(equals("IPv4", "IPv6")),
        "ipFamilyPolicy": equals("SingleStack", "PreferDualStack", "RequireDualStack"),
        "internalTrafficPolicy": equals("Cluster", "Local"),
        "publishNotReadyAddresses": equals(True, False),
        "sessionAffinity": equals("None", "ClientIP"),
        "externalIPs": _OUTSIDE,
        "externalName": _OUTSIDE,
        "externalTrafficPolicy": _OUTSIDE,
        "loadBalancerIP": _OUTSIDE,
        "loadBalancerClass": _OUTSIDE,
        "loadBalancerSourceRanges": _OUTSIDE,
    },
    required=("ports",),
)

_SOURCE = ruled("volume-source", never("would open data that already exists; leave it out"))
_CLAIM_SPEC = fields(
    {
        "accessModes": listing(equals("ReadWriteOnce", "ReadWriteOncePod", "ReadOnlyMany", "ReadWriteMany")),
        "resources": fields({"requests": mapping(r"storage", anything), "limits": mapping(r"storage", anything)}),
        "storageClassName": text(limit=253),
        "volumeMode": equals("Filesystem"),
        "dataSource": _SOURCE,
        "dataSourceRef": _SOURCE,
        "volumeName": _SOURCE,
        "selector": _SOURCE,
    },
    required=("accessModes", "resources"),
)


def _object(api_version: str, kind: str, **parts: Shape) -> Shape:
    table: dict[str, Shape] = {"metadata": METADATA, "status": anything}
    table |= {
        "apiVersion": ruled("body-identity", equals(api_version)),
        "kind": ruled("body-identity", equals(kind)),
    }
    required = ("apiVersion", "kind", "metadata", *(("spec",) if "spec" in parts else ()))
    return fields(table | parts, required=required)


OBJECTS: dict[tuple[str, str], Shape] = {
    ("apps", "deployments"): _object("apps/v1", "Deployment", spec=_DEPLOYMENT_SPEC),
    ("", "services"): _object("v1", "Service", spec=_SERVICE_SPEC),
    ("", "persistentvolumeclaims"): _object("v1", "PersistentVolumeClaim", spec=_CLAIM_SPEC),
    ("", "configmaps"): _object("v1", "ConfigMap", data=_TEXTS, immutable=equals(True, False)),
    ("", "secrets"): _object(
        "v1",
        "Secret",
        type=ruled("secret-type", equals("Opaque", "kubernetes.io/dockerconfigjson", "kubernetes.io/tls")),
        data=_TEXTS,
        stringData=_TEXTS,
        immutable=equals(True, False),
    ),
}
"""Every kind that can be written, by group and plural; a kind that is missing here can't be."""

_PATCHED_METADATA = fields({"labels": _OUR_LABELS, "annotations": _OUR_ANNOTATIONS, "resourceVersion": text(r"[0-9]*")})
MERGE_PATCHES: dict[tuple[str, str], Shape] = {
    ("apps", "deployments"): fields({"metadata": _PATCHED_METADATA, "spec": fields({"replicas": integer(0, 1000)})}),
    ("", "configmaps"): fields({"metadata": _PATCHED_METADATA, "data": _TEXTS}),
    ("", "services"): fields({"metadata": _PATCHED_METADATA}),
    ("", "persistentvolumeclaims"): fields({"metadata": _PATCHED_METADATA}),
}
"""What a merge patch may touch: nothing that a whole object is checked for."""

DELETE_OPTIONS: Shape = fields(
    {
        "apiVersion": equals("v1", "meta/v1", "meta.k8s.io/v1"),
        "kind": equals("DeleteOptions"),
        "propagationPolicy": equals("Background", "Foreground"),
        "gracePeriodSeconds": integer(0, 86_400),
        "preconditions": fields({"uid": text(r"[0-9a-f-]{36}"), "resourceVersion": text(r"[0-9]*")}),
    }
)
"""What the body of a delete may say; orphaning is left out, because nothing may outlive its owner."""
