"""Policy: who may do what through the Gateway, decided by tables of data."""

from logits_core.policy.admission import CheckedBody, Limits, admit
from logits_core.policy.authorise import authorise, authorise_route
from logits_core.policy.denial import DenialError
from logits_core.policy.mode import Mode, check_mode, mode_of
from logits_core.policy.request import RequestInfo, parse
from logits_core.policy.rules import BODY_RULES, CALLERS, PROTECTED, ROUTES, RULES, policy_digest
from logits_core.policy.tokens import Identity, KeySet, verify_token

__all__ = [
    "BODY_RULES",
    "CALLERS",
    "PROTECTED",
    "ROUTES",
    "RULES",
    "CheckedBody",
    "DenialError",
    "Identity",
    "KeySet",
    "Limits",
    "Mode",
    "RequestInfo",
    "admit",
    "authorise",
    "authorise_route",
    "check_mode",
    "mode_of",
    "parse",
    "policy_digest",
    "verify_token",
]
