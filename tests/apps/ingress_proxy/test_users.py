"""Static users: the Console and the Entity DB ask who somebody is, inference keeps its keys."""

from __future__ import annotations

import stat
from pathlib import Path

import bcrypt
import httpx
import pytest
from argon2 import PasswordHasher

from apps.ingress_proxy.conftest import Ingress, Start
from logits_core.errors import LogitsError
from logits_ingress_proxy.users import read_users

pytestmark = pytest.mark.anyio
PAGE = {"accept": "text/html"}


@pytest.fixture(scope="module")
def users_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("users") / "users"
    quick = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    crypt = bcrypt.hashpw(b"secret-bob", bcrypt.gensalt(4)).decode()
    path.write_text(f"# people\nada:{quick.hash('secret-ada')}\nbob:{crypt}\n")
    path.chmod(stat.S_IRUSR)
    return path


def visits_of(ingress: Ingress, name: bytes) -> list[bytes]:
    upstreams = (ingress.console, ingress.api_server, ingress.entity_db)
    heads = [head for upstream in upstreams for visit in upstream.visits for head in visit.requests]
    return [line for head in heads for line in head.split(b"\r\n") if line.lower().startswith(name + b":")]


async def sign_in(http: httpx.AsyncClient, name: str, password: str, target: str = "/") -> httpx.Response:
    form = {"name": name, "password": password, "next": target}
    return await http.post("/sign-in", data=form, headers={"sec-fetch-site": "same-origin"})


async def test_a_browser_is_sent_to_the_form_and_comes_back_as_somebody(start: Start, users_file: Path) -> None:
    async with start(authentication="users", users_file=users_file) as ingress:
        async with httpx.AsyncClient(base_url=ingress.url) as http:
            refused = await http.get("/models?a=1", headers=PAGE)
            assert refused.status_code == 303
            assert refused.headers["location"] == "/sign-in?next=%2Fmodels%3Fa%3D1"
            form = await http.get(refused.headers["location"])
            assert 'value="/models?a=1"' in form.text
            assert "style-src 'sha256-" in form.headers["content-security-policy"]
            wrong = await sign_in(http, "ada", "secret-bob")
            assert (wrong.status_code, "belong together" in wrong.text) == (401, True)
            done = await sign_in(http, "ada", "secret-ada", "/models?a=1")
            assert (done.status_code, done.headers["location"]) == (303, "/models?a=1")
            assert "HttpOnly; SameSite=Lax" in done.headers["set-cookie"]
            http.cookies.set("other", "kept")
            assert (await http.get("/models?a=1", headers=PAGE)).text == "console"
            assert (await http.get("/entities")).text == "entity-db"
        assert visits_of(ingress, b"x-logits-user") == [b"x-logits-user: ada"] * 2
        assert visits_of(ingress, b"cookie") == [b"cookie: other=kept"] * 2


async def test_programs_show_name_and_password(start: Start, users_file: Path) -> None:
    async with start(authentication="users", users_file=users_file) as ingress:
        async with httpx.AsyncClient(base_url=ingress.url) as http:
            for path in ("/entities/x", "/models"):
                refused = await http.get(path)
                assert refused.status_code == 401
                assert refused.headers["www-authenticate"].startswith("Basic")
                assert refused.headers["content-type"] == "application/problem+json"
            for _ in range(2):
                assert (await http.patch("/entities/x", auth=("bob", "secret-bob"), content=b"{}")).text == "entity-db"
            for auth in (("bob", "secret-ada"), ("nobody", "secret-bob"), ("bob", "x" * 100)):
                assert (await http.get("/entities/x", auth=auth)).status_code == 401
        assert visits_of(ingress, b"authorization") == []
        assert ingress.metric("logits_ingress_proxy_refusals_total", reason="sign-in-required") == 5


async def test_inference_keeps_its_own_keys(start: Start, users_file: Path) -> None:
    async with start(authentication="users", users_file=users_file) as ingress:
        async with httpx.AsyncClient(base_url=ingress.url) as http:
            assert (await http.get("/v1/models", headers={"authorization": "Bearer sk"})).text == "api-server"
        assert visits_of(ingress, b"authorization") == [b"authorization: Bearer sk"]


@pytest.mark.parametrize("authentication", ["none", "users"])
async def test_nobody_can_say_who_they_are(start: Start, users_file: Path, authentication: str) -> None:
    forged = {"X-Logits-User": "root", "X_Logits_User": "root", "x-logits_user": "root"}
    async with start(authentication=authentication, users_file=users_file) as ingress:
        async with httpx.AsyncClient(base_url=ingress.url) as http:
            await http.get("/v1/models", headers=forged)
            await http.get("/entities", headers=forged, auth=("bob", "secret-bob"))
        upstreams = (ingress.api_server, ingress.entity_db)
        heads = [head for upstream in upstreams for visit in upstream.visits for head in visit.requests]
        assert len(heads) == 2
        assert not any(b"root" in head for head in heads)


async def test_a_cookie_alone_changes_nothing_from_another_site(start: Start, users_file: Path) -> None:
    async with start(authentication="users", users_file=users_file) as ingress:
        async with httpx.AsyncClient(base_url=ingress.url) as http:
            await sign_in(http, "ada", "secret-ada")
            for fields in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}, {}):
                assert (await http.post("/console/models/x", headers=fields)).status_code == 403
            assert (await http.post("/console/models/x", headers={"sec-fetch-site": "same-origin"})).text == "console"


async def test_forged_and_ended_sessions_are_nobody(start: Start, users_file: Path) -> None:
    async with start(authentication="users", users_file=users_file) as ingress:
        async with httpx.AsyncClient(base_url=ingress.url) as http:
            await sign_in(http, "ada", "secret-ada")
            good = http.cookies["logits_session"]
            http.cookies.clear()
            for value in ("", "x", good[:-1], good + "x", "." + good):
                answer = await http.get("/entities", headers={"cookie": f"logits_session={value}"})
                assert answer.status_code == 401, value
            ended = await http.post("/sign-out", headers={"sec-fetch-site": "same-origin"})
            assert "Max-Age=0" in ended.headers["set-cookie"]


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "evil"])
async def test_a_sign_in_never_leads_elsewhere(start: Start, users_file: Path, target: str) -> None:
    async with start(authentication="users", users_file=users_file) as ingress:
        async with httpx.AsyncClient(base_url=ingress.url) as http:
            assert (await sign_in(http, "ada", "secret-ada", target)).headers["location"] == "/"


@pytest.mark.parametrize("text", ["", "ada", "ada:plain", "ada:$1$md5", "ädä:$2b$x"])
def test_a_file_that_names_nobody_properly_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "users"
    path.write_text(text)
    with pytest.raises(LogitsError, match="file of users"):
        read_users(path)
