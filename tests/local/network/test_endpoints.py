"""Services lead to ready pods only, by number or name, and pods keep addresses of their own."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logits_local.network.addresses import POD_NETWORK, pod_address
from logits_local.network.endpoints import HostForward, hosts, routes


def service(name: str = "web", **port: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "n"},
        "spec": {
            "clusterIP": "127.96.0.5",
            "selector": {"app": "web"},
            "ports": [{"name": "http", "port": 80, **port}],
        },
    }


def pod(address: str, *, ready: bool = True, **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": address, "namespace": "n", "labels": {"app": "web"}, **metadata},
        "spec": {"containers": [{"ports": [{"name": "http", "containerPort": 8080}]}]},
        "status": {
            "podIP": address,
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def test_only_ready_pods_are_reached() -> None:
    pods = [
        pod("127.100.0.1"),
        pod("127.100.0.2", ready=False),
        pod("127.100.0.3", deletionTimestamp="2026-01-01T00:00:00Z"),
        pod("127.100.0.4", namespace="other"),
        pod("127.100.0.5", labels={"app": "else"}),
    ]
    assert routes([service(targetPort="http")], pods) == {("127.96.0.5", 80): (("127.100.0.1", 8080),)}


@pytest.mark.parametrize(("target", "number"), [("http", 8080), (9090, 9090), ("9090", 9090)])
def test_target_ports(target: int | str, number: int) -> None:
    (reached,) = routes([service(targetPort=target)], [pod("127.100.0.1")]).values()
    assert reached == (("127.100.0.1", number),)


def test_an_unknown_port_name_leads_nowhere() -> None:
    assert routes([service(targetPort="none")], [pod("127.100.0.1")]) == {("127.96.0.5", 80): ()}


def test_host_forwards_follow_their_service() -> None:
    forward = HostForward(18080, "n", "web")
    found = routes([service(targetPort="http")], [pod("127.100.0.1")], [forward])
    assert found["127.0.0.1", 18080] == (("127.100.0.1", 8080),)
    assert routes([], [], [forward]) == {("127.0.0.1", 18080): ()}


def test_services_without_selector_are_left_alone() -> None:
    plain = service()
    del plain["spec"]["selector"]
    assert routes([plain], [pod("127.100.0.1")]) == {}


def test_the_hosts_file_names_services_in_full() -> None:
    headless = {"metadata": {"name": "h", "namespace": "n"}, "spec": {"clusterIP": "None"}}
    assert hosts([service(), headless]) == "127.96.0.5 web.n.svc.cluster.local\n"


@given(st.lists(st.uuids().map(str), unique=True, max_size=40))
def test_pod_addresses_are_distinct_and_usable(uids: list[str]) -> None:
    taken: set[str] = set()
    for uid in uids:
        address = pod_address(uid, taken)
        assert address not in taken
        assert ipaddress.ip_address(address) in POD_NETWORK
        assert not address.endswith((".0", ".255"))
        taken.add(address)


def test_a_pod_keeps_its_address_while_it_is_free() -> None:
    assert pod_address("u", (), preferred="127.100.3.4") == "127.100.3.4"
    assert pod_address("u", {"127.100.3.4"}, preferred="127.100.3.4") != "127.100.3.4"
    assert pod_address("u", (), preferred="10.0.0.1") == pod_address("u", ())
