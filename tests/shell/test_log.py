"""Logs: everything for the Pod log, and only literal templates with typed safe values for what leaves."""

from __future__ import annotations

import io

from prometheus_client import CollectorRegistry

from logits_core.redaction import Count
from logits_shell.log import ExportStream, Logger

SECRET = "what a customer wrote"


def logger() -> tuple[Logger, ExportStream, io.StringIO]:
    stream, output = ExportStream("0123456789abcdef", 16, lambda: None), io.StringIO()
    return Logger("gateway", "0.1.0", stream, registry=CollectorRegistry(), output=output), stream, output


def exported(stream: ExportStream) -> bytes:
    return b"\n".join(line for _, line in stream.after(0, 16))


def test_an_incident_is_whole_in_the_pod_log_and_nameless_in_the_export() -> None:
    log, stream, output = logger()
    incident = log.incident(ValueError(SECRET))
    assert SECRET in output.getvalue()
    assert incident in output.getvalue()
    left = exported(stream)
    assert SECRET.encode() not in left
    assert b"unexpected error {incident} of type {kind}" in left
    assert b"valueerror" in left


def test_a_template_that_is_no_literal_is_withheld() -> None:
    log, stream, output = logger()
    put_together = " ".join(["made", SECRET])
    log.info(put_together)  # pyright: ignore[reportArgumentType]
    assert SECRET in output.getvalue()
    assert SECRET.encode() not in exported(stream)


def test_plain_values_never_leave_and_safe_ones_do() -> None:
    log, stream, _ = logger()
    log.info("{count} of {text}", count=Count(3), text=SECRET)
    left = exported(stream)
    assert b'"value":3' in left
    assert SECRET.encode() not in left
