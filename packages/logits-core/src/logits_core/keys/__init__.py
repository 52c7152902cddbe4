"""The keys room: API keys that belong to the customer, how they're made, proved and limited, without any I/O."""

from logits_core.keys.credential import ID_BYTES, SALT_BYTES, SECRET_BYTES, Credential, Minted, mint, prefix_of
from logits_core.keys.limits import Admission, Limits, Meter, RateState
from logits_core.keys.ring import Grant, KeyRing, bearer
from logits_core.keys.spec import ApiKeySpec, ApiKeyStatus, rotated

__all__ = [
    "ID_BYTES",
    "SALT_BYTES",
    "SECRET_BYTES",
    "Admission",
    "ApiKeySpec",
    "ApiKeyStatus",
    "Credential",
    "Grant",
    "KeyRing",
    "Limits",
    "Meter",
    "Minted",
    "RateState",
    "bearer",
    "mint",
    "prefix_of",
    "rotated",
]
