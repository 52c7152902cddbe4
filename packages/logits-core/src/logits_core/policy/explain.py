"""Explanations: how the policy decides one request, stage by stage, without sending anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from logits_core.errors import LogitsError
from logits_core.policy.admission import Limits, admit
from logits_core.policy.authorise import authorise
from logits_core.policy.denial import DenialError
from logits_core.policy.mode import Mode, check_mode
from logits_core.policy.request import RequestInfo, parse
from logits_core.policy.responses import accepts
from logits_core.policy.rules import Rule
from logits_core.policy.transport import check_headers


@dataclass(frozen=True, slots=True)
class Question:
    """A request as a caller would send it.

    Attributes:
        caller: the component whose token it carries.
        method: such as ``PATCH``.
        path: below ``/kubernetes``, as sent.
        query: without its question mark.
        headers: names in lower case.
        content_type: media type of the body.
        body: None when the body isn't known; then everything before it is explained.
    """

    caller: str
    method: str
    path: str
    query: str = ""
    headers: Sequence[tuple[bytes, bytes]] = ()
    content_type: str = ""
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What one stage of the Gateway says: passed or refused, in words, with the rule that decided."""

    stage: str
    passed: bool
    words: str
    rule: str = ""


def explain(question: Question, limits: Limits, *, mode: Mode = Mode.NORMAL) -> list[Step]:
    """Take a request through the stages; the last step says how it ends.

    Args:
        question: the request.
        limits: images and the customer's limits to check bodies against.
        mode: the customer's mode.
    """
    steps: list[Step] = []
    try:
        _walk(question, limits, mode, steps)
    except DenialError as error:
        steps.append(Step(_next(steps), passed=False, words=_worded(error), rule=error.rule))
    except LogitsError as error:
        steps.append(Step(_next(steps), passed=False, words=_worded(error)))
    return steps


_STAGES = ("transport", "parse", "authorise", "mode", "body", "forward")


def _walk(question: Question, limits: Limits, mode: Mode, steps: list[Step]) -> None:
    check_headers(question.headers)
    steps.append(Step("transport", passed=True, words="no header that proxies trip over"))
    info = parse(question.method, question.path, question.query)
    steps.append(Step("parse", passed=True, words=f"{info.verb} {_object(info)}"))
    rule = authorise(question.caller, info, namespace=limits.namespace)
    steps.append(Step("authorise", passed=True, words=f"{question.caller} may: {rule.why}", rule=rule.id))
    check_mode(mode, info)
    steps.append(Step("mode", passed=True, words=f"the customer's mode is {mode}"))
    steps.append(Step("body", passed=True, words=_admitted(question, rule, info, limits)))
    steps.append(Step("forward", passed=True, words=f"{question.method} {_sent(info)} as {accepts(info)}"))


def _admitted(question: Question, rule: Rule, info: RequestInfo, limits: Limits) -> str:
    if question.body is None and info.mutates and info.verb != "delete":
        return "not checked, because no body was given"
    body = question.body or b""
    checked = admit(rule, question.caller, info, content_type=question.content_type, body=body, limits=limits)
    return "no body" if checked is None else f"every field is in the tables; {len(checked.content)} bytes are sent"


def _object(info: RequestInfo) -> str:
    parts = (info.namespace, info.group, info.resource or info.path, info.name, info.subresource)
    return "/".join(part for part in parts if part)


def _sent(info: RequestInfo) -> str:
    return info.upstream_target(seconds_left=float("inf")) if info.verb != "watch" else f"{info.path} (watch)"


def _next(steps: list[Step]) -> str:
    return _STAGES[len(steps)]


def _worded(error: LogitsError) -> str:
    return error.message + (f" [{error.field}]" if error.field else "")
