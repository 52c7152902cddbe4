"""Routes for operators' programs: publish releases, choose what runs, read the fleet."""

from __future__ import annotations

import json
from typing import Annotated, Any

from litestar import Response, Router, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter, RawBody

from logits_core.rollout.publication import Publication
from logits_ops_api.access import OPERATOR
from logits_ops_api.schemas import DesiredVersion
from logits_ops_api.services import Services
from logits_ops_api.state import timestamp
from logits_shell.decoding import read

MAX_PUBLICATION_BYTES = 4_194_304
MAX_LINES = 1_000
MAX_METRIC_BATCHES = 20

After = Annotated[int, QueryParameter(ge=0)]
Limit = Annotated[int, QueryParameter(ge=1, le=MAX_LINES)]


@post("/releases", operation_id="publishReleases", request_max_body_size=MAX_PUBLICATION_BYTES)
async def publish_releases(body: RawBody, services: NamedDependency[Services]) -> Response[dict[str, Any]]:
    """Publish all that the offline keys signed; publishing the same again changes nothing."""
    publication = read(Publication, body)
    changed, affected = await services.releases.publish(publication)
    services.changes.publish(*affected)
    document = {"changed": changed, "releases": len(publication.releases)}
    return Response(document, status_code=201 if changed else 200)


@get("/releases", operation_id="listReleases")
async def list_releases(services: NamedDependency[Services]) -> dict[str, Any]:
    """Every release, the newest first."""
    found = await services.releases.listing()
    return {
        "items": [
            {
                "version": release.version,
                "counter": release.counter,
                "digest": release.digest,
                "recalled": release.recalled,
                "publishedAt": timestamp(release.published_at),
            }
            for release in found
        ]
    }


@put("/environments/{environment:str}/desired", operation_id="setDesired", request_max_body_size=4096)
async def set_desired(environment: FromPath[str], body: RawBody, services: NamedDependency[Services]) -> dict[str, Any]:
    """Choose the release that an environment should run."""
    wanted = read(DesiredVersion, body)
    await services.releases.desire(environment, wanted.version, wanted.reason)
    services.changes.publish(environment)
    return {"environment": environment, "version": wanted.version}


@get("/environments", operation_id="listEnvironments")
async def list_environments(services: NamedDependency[Services]) -> dict[str, Any]:
    """Every environment with its registration, last report and telemetry counts."""
    return {"items": [state.document() for state in await services.environments.states()]}


@get("/environments/{environment:str}", operation_id="getEnvironment")
async def get_environment(environment: FromPath[str], services: NamedDependency[Services]) -> dict[str, Any]:
    """One environment."""
    return (await services.environments.state(environment)).document()


@get("/environments/{environment:str}/logs", operation_id="readLogs")
async def read_logs(
    environment: FromPath[str],
    services: NamedDependency[Services],
    after: After = 0,
    limit: Limit = MAX_LINES,
) -> dict[str, Any]:
    """Log records in the order of their arrival; ``next`` is the ``after`` of the next page."""
    await services.environments.state(environment)
    rows = await services.telemetry.lines(environment, after, limit)
    items = [{"id": number, "record": json.loads(record)} for number, record in rows]
    return {"items": items, "next": rows[-1][0] if rows else after}


@get("/environments/{environment:str}/metrics", operation_id="readMetrics")
async def read_metrics(
    environment: FromPath[str], services: NamedDependency[Services], after: After = 0
) -> dict[str, Any]:
    """Metric batches in the order of their arrival; ``next`` is the ``after`` of the next page."""
    await services.environments.state(environment)
    rows = await services.telemetry.metrics(environment, after, MAX_METRIC_BATCHES)
    items = [
        {"id": number, "samples": [json.loads(line) for line in body.splitlines() if line.strip()]}
        for number, body in rows
    ]
    return {"items": items, "next": rows[-1][0] if rows else after}


def operator_routes() -> Router:
    """Everything below ``/operator/v1``."""
    handlers = [
        publish_releases,
        list_releases,
        set_desired,
        list_environments,
        get_environment,
        read_logs,
        read_metrics,
    ]
    return Router(path="/operator/v1", route_handlers=handlers, opt=dict(OPERATOR))
