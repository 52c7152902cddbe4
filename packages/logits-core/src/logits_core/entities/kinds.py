"""The kinds that the Entity DB knows, as data, and the checks that every submission passes.

To add a kind: write its spec and status, in ``logits_core.entities.specs`` or in a room of its own, and add a
row to ``KINDS``. The HTTP API, the store, the schemas and the client follow from the row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from logits_core.entities import specs
from logits_core.entities.model import JsonObject, Metadata
from logits_core.errors import ErrorCode, LogitsError
from logits_core.keys.spec import ApiKeySpec, ApiKeyStatus
from logits_core.usage.record import UsageRecordSpec, UsageRecordStatus

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of entity.

    Attributes:
        name: as it stands in an entity's ``kind``.
        plural: as it stands in paths.
        spec: model of what may be wanted.
        status: model of what may be observed.
    """

    name: str
    plural: str
    spec: type[specs.Spec]
    status: type[specs.Status]

    def schema(self) -> JsonObject:
        """Return the kind's JSON schemas as ``GET /entities`` lists them."""
        return {
            "kind": self.name,
            "plural": self.plural,
            "spec": self.spec.model_json_schema(by_alias=True),
            "status": self.status.model_json_schema(by_alias=True),
        }


KINDS: Final = (
    Kind("LanguageModel", "languagemodels", specs.LanguageModelSpec, specs.LanguageModelStatus),
    Kind("ModelDeployment", "modeldeployments", specs.ModelDeploymentSpec, specs.ModelDeploymentStatus),
    Kind("LLMServer", "llmservers", specs.LLMServerSpec, specs.LLMServerStatus),
    Kind("Demand", "demands", specs.DemandSpec, specs.DemandStatus),
    Kind("Component", "components", specs.ComponentSpec, specs.ComponentStatus),
    Kind("ApiKey", "apikeys", ApiKeySpec, ApiKeyStatus),
    Kind("UsageRecord", "usagerecords", UsageRecordSpec, UsageRecordStatus),
)
"""Every kind, in the order in which they are listed."""

_BY_PLURAL: Final[Mapping[str, Kind]] = {kind.plural: kind for kind in KINDS}


def kind_of(plural: str) -> Kind:
    """Return the kind that ``plural`` names in a path.

    Raises:
        LogitsError: ``NOT_FOUND``, naming the kinds that exist.
    """
    kind = _BY_PLURAL.get(plural)
    if kind is None:
        known = ", ".join(kind.plural for kind in KINDS)
        raise LogitsError(ErrorCode.NOT_FOUND, f"There is no kind {plural[:80]!r}. The kinds are: {known}.")
    return kind


def checked_spec(kind: Kind, spec: JsonObject) -> JsonObject:
    """Return ``spec`` with defaults filled in, as it is stored.

    Raises:
        LogitsError: ``INVALID``, naming the first field at fault as ``spec.…``.
    """
    return _checked(kind.spec, spec, "spec").model_dump(mode="json", by_alias=True)


def checked_status(kind: Kind, status: JsonObject) -> JsonObject:
    """Return ``status`` as submitted once its known fields hold.

    Raises:
        LogitsError: ``INVALID``, naming the first field at fault as ``status.…``.
    """
    _checked(kind.status, status, "status")
    return status


def checked_metadata(metadata: JsonObject) -> Metadata:
    """Return the metadata of a submission.

    Raises:
        LogitsError: ``INVALID``, naming the first field at fault as ``metadata.…``.
    """
    allowed = {field.alias or name for name, field in Metadata.model_fields.items()}
    for key in metadata:
        if key not in allowed:
            raise LogitsError(
                ErrorCode.INVALID,
                f"metadata.{key[:80]} is not a field of metadata. Remove it; the fields are: "
                f"{', '.join(sorted(allowed))}.",
                field=f"metadata.{key[:80]}",
            )
    return _checked(Metadata, metadata, "metadata")


def _checked(model: type[_Model], value: JsonObject, root: str) -> _Model:
    try:
        return model.model_validate(value, by_alias=True, by_name=False)
    except ValidationError as error:
        raise _refusal(error, root, model) from error


def _refusal(error: ValidationError, root: str, model: type[BaseModel]) -> LogitsError:
    """Turn pydantic's first complaint into a sentence that names the field and the remedy."""
    first = error.errors(include_url=False, include_input=False)[0]
    unknown = first["type"] == "extra_forbidden"
    parts = (str(part)[:80] if unknown else _on_the_wire(model, part) for part in first["loc"])
    field = ".".join([root, *parts])
    match first["type"]:
        case "extra_forbidden":
            known = ", ".join(sorted(field.alias or name for name, field in model.model_fields.items()))
            message = f"{field} is not a field of this kind. Remove it; {root} has: {known or 'no fields'}."
        case "missing":
            message = f"{field} is required. Add it."
        case "value_error":
            message = f"{field}: {first['msg'].removeprefix('Value error, ')}. Change it and send it again."
        case _:
            message = f"{field} cannot be used: {first['msg'][:200]}. Change it and send it again."
    return LogitsError(ErrorCode.INVALID, message, field=field)


def _on_the_wire(model: type[BaseModel], part: int | str) -> str:
    # A default that fails its check is located by the attribute's name, all else by the alias.
    known = model.model_fields.get(str(part))
    return str(known.alias if known and known.alias else part)[:80]
