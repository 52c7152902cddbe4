"""Pods: the table of everything a pod template of Logits may say, stricter than Pod Security's restricted."""

from __future__ import annotations

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

COMPONENT_ACCOUNT = "logits-component"
GATEWAY_AUDIENCE = "logits-gateway"
GPU = "nvidia.com/gpu"
LABEL_KEY = r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
OUR_MARKS = r"(logits\.ai|app\.kubernetes\.io)/[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
"""Keys of labels and annotations that nothing outside Logits acts on."""
ENVIRONMENT_NAME = r"LOGITS_[A-Z0-9_]+|HOME|TMPDIR|TZ|(NVIDIA|CUDA)_[A-Z0-9_]+"
"""Names that steer interpreters (PYTHONPATH, LD_PRELOAD) would run other code in a signed image."""

_FLAG = equals(True, False)
_COUNT = integer(0, 2**31 - 1)
_QUANTITIES = mapping(LABEL_KEY, either(_COUNT, text(r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?", 32)))
_PORT = either(integer(1, 65535), text(r"[a-z0-9-]{1,15}"))
_NO_CHANNEL = never("would run another command than the image's own; leave it out")
_NO_HOST = never("would share the node with the pod; leave it out")

_PROBE = fields(
    {
        "httpGet": fields(
            {"path": text(r"/[A-Za-z0-9/_.-]*"), "port": _PORT, "scheme": equals("HTTP")},
            required=("path", "port"),
        ),
        "tcpSocket": fields({"port": _PORT}, required=("port",)),
        "exec": ruled("pod-commands", _NO_CHANNEL),
        "initialDelaySeconds": _COUNT,
        "periodSeconds": _COUNT,
        "timeoutSeconds": _COUNT,
        "successThreshold": _COUNT,
        "failureThreshold": _COUNT,
        "terminationGracePeriodSeconds": _COUNT,
    }
)

_ENVIRONMENT = ruled(
    "pod-environment",
    fields(
        {
            "name": text(ENVIRONMENT_NAME, 128),
            "value": text(limit=32_768),
            "valueFrom": fields(
                {
                    "fieldRef": fields(
                        {"fieldPath": text(r"(metadata|status|spec)\.[A-Za-z]+"), "apiVersion": equals("v1")}
                    ),
                    "resourceFieldRef": fields({"resource": text(), "containerName": text(), "divisor": anything}),
                }
            ),
        },
        required=("name",),
    ),
)

_CONTAINER_SECURITY = ruled(
    "pod-restricted",
    fields(
        {
            "allowPrivilegeEscalation": equals(False),
            "readOnlyRootFilesystem": equals(True),
            "privileged": equals(False),
            "runAsNonRoot": equals(True),
            "runAsUser": integer(1, 2**31),
            "runAsGroup": integer(1, 2**31),
            "capabilities": fields({"drop": equals(["ALL"])}, required=("drop",)),
            "seccompProfile": fields({"type": equals("RuntimeDefault")}),
            "procMount": equals("Default"),
        },
        required=("allowPrivilegeEscalation", "readOnlyRootFilesystem", "capabilities"),
    ),
)

CONTAINER: dict[str, Shape] = {
    "name": text(r"[a-z0-9-]{1,63}"),
    "image": text(limit=512),
    "imagePullPolicy": equals("IfNotPresent", "Always", "Never"),
    "command": ruled("pod-commands", _NO_CHANNEL),
    "args": ruled("pod-commands", _NO_CHANNEL),
    "lifecycle": ruled("pod-commands", _NO_CHANNEL),
    "stdin": ruled("pod-commands", equals(False)),
    "tty": ruled("pod-commands", equals(False)),
    "env": listing(_ENVIRONMENT),
    "envFrom": ruled("pod-environment", never("name each variable instead")),
    "ports": listing(
        fields(
            {
                "name": text(r"[a-z0-9-]{1,15}"),
                "containerPort": integer(1024, 65535),
                "protocol": equals("TCP"),
                "hostPort": ruled("pod-host", _NO_HOST),
                "hostIP": ruled("pod-host", _NO_HOST),
            }
        )
    ),
    "readinessProbe": _PROBE,
    "livenessProbe": _PROBE,
    "startupProbe": _PROBE,
    "resources": fields({"requests": _QUANTITIES, "limits": _QUANTITIES}),
    "securityContext": _CONTAINER_SECURITY,
    "volumeMounts": listing(
        fields(
            {"name": text(), "mountPath": text(r"/[A-Za-z0-9/._-]*"), "readOnly": _FLAG, "subPath": text()},
            required=("name", "mountPath"),
        )
    ),
    "terminationMessagePath": equals("/dev/termination-log"),
    "terminationMessagePolicy": equals("File", "FallbackToLogsOnError"),
}

INGRESS_SECRET = "logits-ingress"  # noqa: S105 - a name

_ITEMS = listing(fields({"key": text(), "path": text(), "mode": _COUNT}))
_DOWNWARD = fields(
    {"items": listing(fields({"path": text(), "fieldRef": anything, "mode": _COUNT})), "defaultMode": _COUNT}
)
_CONFIG_MAP: dict[str, Shape] = {"name": text(r"logits-[a-z0-9.-]+"), "items": _ITEMS, "optional": _FLAG}
_TOKEN = fields(
    {
        "audience": equals(GATEWAY_AUDIENCE),
        "expirationSeconds": integer(600, 3600),
        "path": text(r"[a-z0-9.-]+"),
    },
    required=("audience",),
)
_VOLUME = ruled(
    "pod-volumes",
    fields(
        {
            "name": text(r"[a-z0-9-]{1,63}"),
            "emptyDir": fields({"sizeLimit": anything, "medium": equals("", "Memory")}),
            "configMap": fields(_CONFIG_MAP | {"defaultMode": _COUNT}),
            # The one Secret that a customer makes for pods of ours; admission says which pods.
            "secret": fields(
                {"secretName": equals(INGRESS_SECRET), "items": _ITEMS, "defaultMode": _COUNT, "optional": _FLAG},
                required=("secretName",),
            ),
            "persistentVolumeClaim": fields(
                {"claimName": text(r"logits-(?!gateway)[a-z0-9.-]+"), "readOnly": _FLAG},
                required=("claimName",),
            ),
            "projected": fields(
                {
                    "sources": listing(
                        fields(
                            {
                                "serviceAccountToken": _TOKEN,
                                "configMap": fields(_CONFIG_MAP),
                                "downwardAPI": _DOWNWARD,
                            }
                        )
                    ),
                    "defaultMode": _COUNT,
                }
            ),
            "downwardAPI": _DOWNWARD,
            "hostPath": ruled("pod-host", _NO_HOST),
        },
        required=("name",),
    ),
)

_POD_SECURITY = ruled(
    "pod-restricted",
    fields(
        {
            "runAsNonRoot": equals(True),
            "runAsUser": integer(1, 2**31),
            "runAsGroup": integer(1, 2**31),
            "fsGroup": integer(1, 2**31),
            "fsGroupChangePolicy": equals("OnRootMismatch", "Always"),
            "supplementalGroups": listing(integer(1, 2**31)),
            "seccompProfile": fields({"type": equals("RuntimeDefault")}, required=("type",)),
        },
        required=("runAsNonRoot", "seccompProfile"),
    ),
)

_CONTAINERS = listing(fields(CONTAINER, required=("name", "image", "securityContext")))

POD_SPEC: dict[str, Shape] = {
    "containers": _CONTAINERS,
    "initContainers": _CONTAINERS,
    "volumes": listing(_VOLUME),
    "serviceAccountName": ruled("pod-identity", equals(COMPONENT_ACCOUNT)),
    "serviceAccount": ruled("pod-identity", equals(COMPONENT_ACCOUNT)),
    "automountServiceAccountToken": ruled("pod-identity", equals(False)),
    "enableServiceLinks": _FLAG,
    "securityContext": _POD_SECURITY,
    "hostNetwork": ruled("pod-host", equals(False)),
    "hostPID": ruled("pod-host", equals(False)),
    "hostIPC": ruled("pod-host", equals(False)),
    "shareProcessNamespace": ruled("pod-host", equals(False)),
    "hostAliases": ruled("pod-host", _NO_HOST),
    "nodeName": ruled("pod-host", never("would go round the scheduler; use nodeSelector")),
    "nodeSelector": mapping(LABEL_KEY, text(limit=63)),
    "tolerations": listing(
        fields(
            {
                "key": text(),
                "operator": text(),
                "value": text(),
                "effect": text(),
                "tolerationSeconds": _COUNT,
            }
        )
    ),
    "affinity": anything,
    "topologySpreadConstraints": anything,
    "terminationGracePeriodSeconds": integer(0, 3600),
    "restartPolicy": equals("Always"),
    "dnsPolicy": equals("ClusterFirst"),
    "schedulerName": equals("default-scheduler"),
    "runtimeClassName": equals("nvidia"),
}

POD_TEMPLATE: Shape = fields(
    {
        "metadata": fields(
            {
                "labels": mapping(LABEL_KEY, text(r"[A-Za-z0-9._-]{0,63}")),
                "annotations": mapping(LABEL_KEY, text(limit=16_384)),
                "creationTimestamp": equals(None),
            },
            required=("labels",),
        ),
        "spec": fields(
            POD_SPEC,
            required=("containers", "serviceAccountName", "automountServiceAccountToken", "securityContext"),
        ),
    },
    required=("metadata", "spec"),
)
"""What a workload's pod template may say; ``admission`` adds who may run which image."""
