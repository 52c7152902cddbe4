"""TUF: every name of python-tuf and securesystemslib that we use, from their public modules."""
# Both libraries export these without saying so in the way that pyright wants.
# pyright: reportPrivateImportUsage=false

from securesystemslib.exceptions import Error as SecureSystemsError
from securesystemslib.signer import SIGNER_FOR_URI_SCHEME, CryptoSigner, Key, Signer, SSlibKey
from tuf.api.exceptions import LengthOrHashMismatchError, RepositoryError
from tuf.api.metadata import (
    Metadata,
    MetaFile,
    Role,
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

__all__ = [
    "SIGNER_FOR_URI_SCHEME",
    "CryptoSigner",
    "Key",
    "LengthOrHashMismatchError",
    "MetaFile",
    "Metadata",
    "RepositoryError",
    "Role",
    "Root",
    "SSlibKey",
    "SecureSystemsError",
    "Signed",
    "Signer",
    "Snapshot",
    "TargetFile",
    "Targets",
    "Timestamp",
]
