"""Start the Ingress Proxy: ``python -m logits_ingress_proxy``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial

from logits_ingress_proxy.app import create_app
from logits_ingress_proxy.settings import Settings
from logits_shell.serve import refused_at_start, run, serve
from logits_shell.settings import from_env
from logits_shell.telemetry import Telemetry
from logits_shell.workers import ALONE, Share, run_workers


async def main(settings: Settings, share: Share) -> None:
    """Serve until the process is told to stop."""
    telemetry = Telemetry.create("ingress-proxy", settings)
    app = create_app(settings, telemetry, share=share)
    certificate = app.certificate
    background = [] if certificate is None else [partial(certificate.follow, telemetry.log)]
    tls = None if certificate is None else certificate.context
    try:
        await serve(telemetry, settings, app.asgi, *background, protocol=app.protocol, tls=tls, share=share)
    finally:
        app.pool.close()


def start(environment: Mapping[str, str]) -> None:
    """Run one process, or several behind one port."""
    with refused_at_start():
        settings = from_env(Settings, environment)
    if settings.workers == 1:
        run(lambda: main(settings, ALONE), relays=True)
    else:
        raise SystemExit(run_workers(settings.workers, lambda share: run(lambda: main(settings, share), relays=True)))


if __name__ == "__main__":
    start(os.environ)
