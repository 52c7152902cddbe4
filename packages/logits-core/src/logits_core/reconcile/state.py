"""What the Controller sees and what it should bring about: the two arguments of its plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

import msgspec

from logits_core.entities.model import JsonObject
from logits_core.errors import ErrorCode, LogitsError
from logits_core.reconcile.fields import child, text

_T = TypeVar("_T")

Objects = Mapping[str, JsonObject]
"""Objects or entities of one kind by name."""


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which images to run: what the Gateway verified and hands to the Controller.

    Attributes:
        version: the release's version.
        counter: the release's counter; informational here.
        images: image reference by digest for each component.
    """

    version: str
    counter: int
    images: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> Release:
        """Read the JSON form.

        Raises:
            LogitsError: INVALID, when it isn't a release.
        """
        try:
            return msgspec.json.decode(text, type=cls)
        except (msgspec.DecodeError, UnicodeError) as failure:
            raise LogitsError(
                ErrorCode.INVALID,
                f"not a release: {failure}; expected JSON with version, counter and images",
                field="LOGITS_RELEASE",
            ) from failure


class _ApiKeys(msgspec.Struct, frozen=True):
    required: bool = False


class Oidc(msgspec.Struct, frozen=True, rename="camel"):
    """The OpenID Connect issuer.

    Attributes:
        issuer: Its URL.
        client_id: This installation's name there.
        client_secret: Whether the Secret ``logits-ingress`` holds one; a public client has none.
        email_domains: Whose addresses get in; empty for everybody whom the issuer signs in.
    """

    issuer: str = ""
    client_id: str = msgspec.field(default="", name="clientID")
    client_secret: bool = False
    email_domains: tuple[str, ...] = ()


class Ingress(msgspec.Struct, frozen=True, rename="camel"):
    """How the Ingress Proxy's door is set up.

    Attributes:
        authentication: ``none``, ``users`` or ``oidc``.
        tls: Whether it speaks https with the certificate of the Secret ``logits-ingress``.
        public_url: What browsers know it by.
        oidc: The issuer, for ``oidc``.
    """

    authentication: Literal["none", "users", "oidc"] = "none"
    tls: bool = False
    public_url: str = msgspec.field(default="", name="publicURL")
    oidc: Oidc = Oidc()


@dataclass(frozen=True, slots=True)
class Customizations:
    """What the customer has decided in the chart's ConfigMap, and no vendor can change.

    Attributes:
        labels: Of every pod.
        annotations: Of every pod.
        tolerations: The only ones that pods may have.
        node_selector: Of every pod.
        api_keys_required: Whether the API Server refuses callers without a key.
        ingress: How the Ingress Proxy's door is set up.
    """

    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    tolerations: tuple[JsonObject, ...] = ()
    node_selector: Mapping[str, str] = field(default_factory=dict[str, str])
    api_keys_required: bool = False
    ingress: Ingress = field(default_factory=Ingress)

    @classmethod
    def parse(cls, config_map: JsonObject) -> Customizations:
        """Read the ConfigMap ``logits-customizations``.

        Raises:
            LogitsError: CORRUPT, when a value isn't the JSON that the chart writes.
        """
        data = child(config_map, "data")
        return cls(
            labels=_texts(data, "labels"),
            annotations=_texts(data, "annotations"),
            tolerations=tuple(_decoded(data, "tolerations", "[]", list[dict[str, Any]])),
            node_selector=_texts(data, "nodeSelector"),
            api_keys_required=_decoded(data, "apiKeys", "{}", _ApiKeys).required,
            ingress=_decoded(data, "ingress", "{}", Ingress),
        )


def _texts(data: JsonObject, key: str) -> dict[str, str]:
    return _decoded(data, key, "{}", dict[str, str])


def _decoded(data: JsonObject, key: str, empty: str, shape: type[_T]) -> _T:
    try:
        return msgspec.json.decode(data.get(key) or empty, type=shape)
    except (msgspec.DecodeError, TypeError) as failure:
        raise LogitsError(
            ErrorCode.CORRUPT,
            f"ConfigMap logits-customizations: {key} is not what the chart writes; run helm upgrade",
            field=f"data.{key}",
        ) from failure


@dataclass(frozen=True, slots=True)
class Anchor:
    """The ConfigMap that owns all that the Controller makes, so that uninstalling removes it."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Desired:
    """What should be.

    Attributes:
        release: the images to run.
        namespace: where.
        anchor: the owner of everything; None (not seen yet) forbids every write to Kubernetes.
        customizations: the customer's limits; None when they can't be read, which forbids as well.
        language_models: LanguageModel entities by name; None until the Entity DB was read.
        model_deployments: ModelDeployment entities by name; None until the Entity DB was read.
        image_pull_policy: for every container.
        scale_down_after: how long fewer replicas must have been enough before any is stopped.
    """

    release: Release
    namespace: str
    anchor: Anchor | None
    customizations: Customizations | None
    language_models: Objects | None = None
    model_deployments: Objects | None = None
    image_pull_policy: str = "IfNotPresent"
    scale_down_after: timedelta = timedelta(seconds=300)


@dataclass(frozen=True, slots=True)
class ScalingHistory:
    """What autoscaling remembers of one model deployment between plans.

    Attributes:
        wanted: the replicas that the load asked for at the last plan.
        until: earlier, higher wishes with the instant up to which they held; falling in number.
        idle_since: when the last request ended, while there is none.
    """

    wanted: int
    until: tuple[tuple[datetime, int], ...] = ()
    idle_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """What one plan leaves for the next; losing it only delays scaling down.

    Attributes:
        scaling: per model deployment.
        corrected: when an object that somebody else changed was last put right, by kind and name.
    """

    scaling: Mapping[str, ScalingHistory] = field(default_factory=dict[str, ScalingHistory])
    corrected: Mapping[tuple[str, str], datetime] = field(default_factory=dict[tuple[str, str], datetime])


@dataclass(frozen=True, slots=True)
class Observed:
    """What is: the caches' contents at one moment, by name.

    Attributes:
        deployments: Kubernetes Deployments of Logits.
        services: its Services.
        claims: its PersistentVolumeClaims.
        pods: its Pods.
        nodes: all Nodes.
        pods_current: whether the pods are known as of now; if not, no pod is taken for gone.
        llm_servers: LLMServer entities; None until the Entity DB was read.
        demands: Demand entities; None until the Entity DB was read.
        components: Component entities; None until the Entity DB was read.
        memory: what the last plan left.
    """

    deployments: Objects
    services: Objects
    claims: Objects
    pods: Objects
    nodes: Objects
    pods_current: bool = True
    llm_servers: Objects | None = None
    demands: Objects | None = None
    components: Objects | None = None
    memory: Memory = field(default_factory=Memory)


def label(item: JsonObject, key: str) -> str:
    """A label's value, or the empty string."""
    return text(item, "metadata", "labels", key)
