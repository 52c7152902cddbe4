"""Attacks from the vendor's side and through what may leave: forged releases, other environments, smuggled words."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import msgspec
import pytest

from attacks.conftest import Attacker
from logits_core.rollout import Offer
from logits_shell.kubernetes import PODS, SECRETS
from simulators.gateway_site import NAMESPACE, image
from simulators.ops_api import ENVIRONMENT
from simulators.vendor_desk import VendorDesk

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

pytestmark = pytest.mark.anyio
CANARY = "canary-7f31"


def raw(attacker: Attacker, **changes: Any) -> bytes:
    """A good offer for 0.3.0 with fields that are replaced."""
    return msgspec.json.encode(msgspec.structs.asdict(attacker.site.signed(3)) | changes)


def resigned(attacker: Attacker, **fields: Any) -> Offer:
    """0.3.0 with other fields, wanted by the director's own key, but as the offline keys listed it."""
    content = json.dumps(json.loads(attacker.site.vendor.contents["releases/0.3.0.json"]) | fields).encode()
    director = attacker.site.vendor.director("0.3.0", environment=ENVIRONMENT, content=content)
    return Offer(attacker.site.vendor.images(), director, content.decode())


def without_signatures(attacker: Attacker) -> bytes:
    images = msgspec.to_builtins(attacker.site.vendor.images())
    targets = json.loads(images["targets"])
    return raw(attacker, images=images | {"targets": json.dumps(targets | {"signatures": []})})


def strangers(_: Attacker) -> Offer:
    desk = VendorDesk.begin(clock=lambda: datetime.now(UTC))
    desk.release("0.3.0")
    return desk.offer("0.3.0", environment=ENVIRONMENT)


EVIL = {"controller": image("controller", "evil")}
OFFERS: list[tuple[str, Callable[[Attacker], Offer | bytes]]] = [
    ("attack 10: rollback to an older counter", lambda a: a.site.signed(1)),
    ("attack 10: arbitrary software by a stolen director", lambda a: resigned(a, images=EVIL)),
    ("attack 10: the same version with a higher counter", lambda a: resigned(a, counter=9)),
    ("attack 10: a release that holds the Gateway", lambda a: resigned(a, images=EVIL | {"gateway": "x"})),
    ("attack 10: a release that the offline keys never listed",
     lambda a: a.site.vendor.offer("9.9.9", environment=ENVIRONMENT)),
    ("attack 10: another vendor's whole repository", strangers),
    ("attack 10: no signature", without_signatures),
    ("attack 10: another environment's word", lambda a: a.site.vendor.offer("0.3.0", environment="0" * 36)),
    ("attack 10: a word that has run out",
     lambda a: Offer(a.site.vendor.images(), a.site.vendor.director("0.3.0", environment=ENVIRONMENT,
                                                                     life=timedelta(seconds=-1)))),
    ("attack 10: the images' metadata without the director's", lambda a: raw(a, director={})),
    ("attack 10: the director's metadata in the images' place",
     lambda a: raw(a, images=msgspec.to_builtins(a.site.vendor.director("0.3.0")))),
    ("attack 10: another file than the signed one", lambda a: raw(a, release="{}")),
    ("attack 10: endless data", lambda a: raw(a, release=" " * (1 << 20))),
    ("attack 10: endless roots", lambda a: raw(a, images={"roots": ["{}"] * 40})),
    ("attack 10: a root of the attacker's", lambda a: raw(a, images={"roots": ["{}"]})),
    ("attack 10: a field that nobody knows", lambda a: raw(a, run="id")),
    ("attack 10: no JSON", lambda _: b"\xff\x00"),
]  # fmt: skip


@pytest.mark.parametrize("offer", [offer for _, offer in OFFERS], ids=[name for name, _ in OFFERS])
async def test_a_release_that_was_not_signed_so_never_runs(attacker: Attacker, offer: Any) -> None:
    site = attacker.site
    before = (await site.controller())["spec"]
    for wanted in (offer(attacker), site.signed(2)):
        site.ops.want(wanted)
        # The question after next proves that what was offered was read.
        asked = _questions(attacker)
        with anyio.fail_after(20):
            while _questions(attacker) < asked + 1:
                await anyio.sleep(0.01)
    assert (await site.controller())["spec"] == before
    applied = [json.loads(line)["event"] for line in site.audit if b'"name":"logits-controller"' in line]
    assert {found["annotations"]["logits.ai/caller"] for found in applied if found["verb"] == "patch"} == {"gateway"}
    assert len([found for found in applied if (found["verb"], found["stage"]) == ("patch", "RequestReceived")]) == 1


def _questions(attacker: Attacker) -> int:
    return sum(1 for _, path in attacker.site.ops.requests if path.endswith("/desired"))


async def test_attack_10_a_vendor_that_freezes_or_vanishes_stops_nothing(attacker: Attacker) -> None:
    site = attacker.site
    site.ops.away = True
    site.ops.ring()
    answer = await attacker.send("GET", f"/kubernetes/api/v1/namespaces/{NAMESPACE}/pods")
    assert answer.status == 200
    site.ops.away = False


RECORD: dict[str, Any] = {
    "sequence": 1,
    "time": "2026-01-01T00:00:00.000+00:00",
    "component": "console",
    "level": "info",
    "template": "ready in {seconds}",
    "values": {"seconds": {"kind": "seconds", "value": 1.5}},
}
REPORT: dict[str, Any] = {"sequence": 1, "components": [{"name": "console", "version": "0.1.0"}]}
WORDS: list[tuple[str, str, dict[str, Any]]] = [
    ("a field of its own in a log record", "logs", RECORD | {"prompt": CANARY}),
    ("words as a value", "logs", RECORD | {"values": {"seconds": {"kind": "text", "value": CANARY}}}),
    ("words as a number", "logs", RECORD | {"values": {"seconds": {"kind": "seconds", "value": CANARY}}}),
    ("words as a level", "logs", RECORD | {"level": CANARY}),
    ("a metric's label", "metrics", {"name": "logits_requests_total", "labels": {"user": CANARY}, "value": 1}),
    ("a metric's name", "metrics", {"name": CANARY, "labels": {}, "value": 1}),
    ("a version string", "reports", REPORT | {"components": [{"name": "console", "version": CANARY}]}),
    ("a reason", "reports", REPORT | {"components": [{"name": "console", "reason": f"Bad {CANARY}"}]}),
    ("a component's name", "reports", REPORT | {"components": [{"name": f"x {CANARY}"}]}),
    ("a field of its own in a report", "reports", REPORT | {"note": CANARY}),
]


@pytest.mark.parametrize(("kind", "document"), [w[1:] for w in WORDS], ids=[f"attack 13: {w[0]}" for w in WORDS])
async def test_words_do_not_leave_in_disguise(attacker: Attacker, kind: str, document: dict[str, Any]) -> None:
    component = "controller" if kind == "reports" else "collector"
    token = await _token(attacker, component)
    body, headers = json.dumps(document).encode(), list[tuple[str, str]]()
    if kind != "reports":
        plain = body + b"\n"
        body = zstd.compress(plain)
        headers = [("Content-Encoding", "zstd"), ("Idempotency-Key", hashlib.sha256(plain).hexdigest())]
    answer = await attacker.send("POST", f"/ops/v1/{kind}", body, headers=headers, token=token)
    assert 400 <= answer.status < 500, answer.body
    assert CANARY.encode() not in answer.body
    record = attacker.record(answer)
    assert (record["annotations"]["logits.ai/rule"], record["user"]["username"][:6]) == ("export-schema", "system")
    assert not attacker.site.ops.batches
    assert CANARY not in json.dumps(attacker.site.ops.reports)


async def _token(attacker: Attacker, component: str) -> str:
    if component == "controller":
        return attacker.token
    name = f"logits-{component}-taken"
    listing = await attacker.site.admin.list(PODS, namespace=NAMESPACE, field_selector=f"metadata.name={name}")
    pod = listing.items[0] if listing.items else await attacker.site.pod(name, component)
    return await attacker.site.token(pod)


async def test_attack_14_only_this_environments_key_and_place_are_ever_used(attacker: Attacker) -> None:
    paths = {path for _, path in attacker.site.ops.requests}
    assert paths
    assert all(path.startswith("/v1/environments/123e4567-e89b-42d3-a456-426614174000/") for path in paths)


async def test_secrets_of_allowed_verbs_stay_secret(attacker: Attacker) -> None:
    """Attack 3 on Secrets that the Controller may write: nothing of what is in them comes back."""
    hidden = base64.b64encode(CANARY.encode()).decode()
    core = f"/kubernetes/api/v1/namespaces/{NAMESPACE}/secrets"
    secret: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "logits-s"}, "type": "Opaque"}
    whole = json.dumps(secret | {"data": {"a": hidden}}).encode()
    apply = "application/apply-patch+yaml"
    made = await attacker.send("POST", core, whole, content_type="application/json")
    assert made.status == 201
    empty = json.dumps(secret).encode()
    answers = [
        made,
        await attacker.send("PATCH", f"{core}/logits-s?fieldManager=b", empty, content_type=apply),
        await attacker.send("PATCH", f"{core}/logits-s?fieldManager=b&dryRun=All", empty, content_type=apply),
        await attacker.send("PUT", f"{core}/logits-s", whole, content_type="application/json"),
        await attacker.send("POST", core, whole, content_type="application/json"),
    ]
    finalizer = {"metadata": {"finalizers": ["example.com/keep"]}}
    await attacker.site.admin.merge_patch(SECRETS, "logits-s", finalizer, namespace=NAMESPACE)
    answers.append(await attacker.send("DELETE", f"{core}/logits-s"))
    for answer in answers:
        assert hidden.encode() not in answer.body
        assert CANARY.encode() not in answer.body
        assert attacker.record(answer)["annotations"]["logits.ai/rule"] == "controller-secrets-write"
    assert answers[-1].status == 200, "the finalizer holds it, so the API server answered with the object"
    await attacker.site.admin.merge_patch(SECRETS, "logits-s", {"metadata": {"finalizers": None}}, namespace=NAMESPACE)
    assert hidden.encode() not in b"".join(attacker.site.audit)


async def test_attack_11_names_cannot_write_lines_of_their_own(attacker: Attacker) -> None:
    """Newlines and turned-round text in a body's values and names reach no line of the log raw."""
    body = json.dumps(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": 'logits-a\n{"index":9}'},
            "data": {"\u202e": "\n"},
        }
    ).encode()
    core = f"/kubernetes/api/v1/namespaces/{NAMESPACE}/configmaps"
    answer = await attacker.send("POST", core, body, content_type="application/json")
    assert answer.status == 403
    assert all(line.isascii() and b"\n" not in line for line in attacker.site.audit)
