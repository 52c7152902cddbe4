"""`logits serve`: the API Server alone, in front of engines that are already there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from logits_api_server.alone import Alone
    from logits_api_server.settings import Settings
    from logits_shell.workers import Share

FILE = click.Path(path_type=Path, dir_okay=False)
DIRECTORY = click.Path(path_type=Path, file_okay=False)


@click.command(help="Serve engines that are already there: routing, keys, limits, usage; nothing else of Logits.")
@click.option("--endpoint", "endpoints", multiple=True, required=True, help="URL of an engine; repeat for more.")
@click.option("--port", default=8080, show_default=True, help="Port of the API.")
@click.option("--metrics-port", default=9090, show_default=True, help="Port of /metrics, /healthz and /readyz.")
@click.option("--listen", default="127.0.0.1", show_default=True, help="Address of both ports.")
@click.option("--keys", type=FILE, help="File of API keys, from `logits serve-key`; with it, a key is required.")
@click.option("--usage", type=DIRECTORY, help="Directory for usage as CSV, one file per hour.")
@click.option("--capacity", default=256, show_default=True, help="Requests in flight at one engine; more wait.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes on the port.")
@click.option("--wait", default=60.0, show_default=True, help="Longest wait of a request for an engine, seconds.")
def serve(
    *,
    endpoints: tuple[str, ...],
    port: int,
    metrics_port: int,
    listen: str,
    keys: Path | None,
    usage: Path | None,
    capacity: int,
    workers: int,
    wait: float,
) -> None:
    """Serve until the process is told to stop."""
    # Late: every command of `logits` loads this module, and only this one needs a server.
    from pydantic import ValidationError

    from logits_api_server.adapters.key_file import read_keys
    from logits_api_server.alone import Alone, address_of
    from logits_api_server.settings import Settings
    from logits_core.errors import LogitsError

    try:
        alone = Alone([address_of(url) for url in endpoints], read_keys(keys) if keys else {}, usage, capacity)
        settings = Settings.model_validate(
            {
                "listen_address": listen,
                "http_port": port,
                "metrics_port": metrics_port,
                "keys_required": keys is not None,
                "waiting_seconds": wait,
            }
        )
    except LogitsError as error:
        raise click.UsageError(error.message) from None
    except ValidationError as error:
        first = error.errors()[0]
        raise click.UsageError(f"{first['loc'][0]}: {first['msg']}") from None
    _run(settings, alone, workers)


@click.command("serve-key", help="Make a key for `logits serve`, add it to FILE, and print it: it's shown only now.")
@click.argument("name")
@click.option("--keys", type=FILE, required=True, help="The file; it's made if it isn't there.")
@click.option("--requests-per-minute", type=click.IntRange(1), help="Default: no limit.")
@click.option("--tokens-per-minute", type=click.IntRange(1), help="Default: no limit.")
@click.option("--concurrency", type=click.IntRange(1), help="Requests under way at once. Default: no limit.")
def serve_key(
    *, name: str, keys: Path, requests_per_minute: int | None, tokens_per_minute: int | None, concurrency: int | None
) -> None:
    """Make one key."""
    import secrets
    from datetime import UTC, datetime

    from logits_api_server.adapters.key_file import add_key
    from logits_core.errors import LogitsError

    given = {
        "requestsPerMinute": requests_per_minute,
        "tokensPerMinute": tokens_per_minute,
        "concurrency": concurrency,
    }
    limits = {field: value for field, value in given.items() if value is not None}
    created_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        click.echo(add_key(keys, name, limits, random_bytes=secrets.token_bytes, created_at=created_at))
    except LogitsError as error:
        raise click.UsageError(error.message) from None


def _run(settings: Settings, alone: Alone, workers: int) -> None:
    from logits_shell import serve as shell
    from logits_shell.workers import ALONE, run_workers

    if workers == 1:
        shell.run(lambda: _serve(settings, alone, ALONE), relays=True)
        return
    if not settings.http_port:
        raise click.UsageError("--port 0 gives every worker a port of its own; name one that they share.")
    raise SystemExit(run_workers(workers, lambda share: shell.run(lambda: _serve(settings, alone, share), relays=True)))


async def _serve(settings: Settings, alone: Alone, share: Share) -> None:
    from logits_api_server.alone import open_alone
    from logits_shell import serve as shell
    from logits_shell.telemetry import Telemetry

    telemetry = Telemetry.create("api-server", settings)
    async with open_alone(settings, telemetry, alone, share) as app:
        await shell.serve(telemetry, settings, app.asgi, *app.background, protocol=app.protocol, share=share)


if __name__ == "__main__":
    serve()
