"""The model that an LLM Server was started for: a language model's spec under its name."""

import msgspec
from pydantic import Field, ValidationError

from logits_core.entities.model import EntityName
from logits_core.entities.specs import LanguageModelSpec
from logits_core.errors import ErrorCode, LogitsError


class ServedModel(LanguageModelSpec):
    """A LanguageModel's spec together with the entity's name, as the Controller hands it over."""

    name: EntityName = Field(description="Name of the LanguageModel.")


def parse_served_model(text: str) -> ServedModel:
    """Read the JSON of the setting ``LOGITS_MODEL``.

    Raises:
        LogitsError: ``INVALID``, naming the field at fault.
    """
    try:
        return ServedModel.model_validate(msgspec.json.decode(text), by_alias=True, by_name=False)
    except msgspec.MsgspecError as error:
        raise _refusal(f"it is not JSON: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        raise _refusal(f"{place}: {first['msg']}") from error


def _refusal(problem: str) -> LogitsError:
    return LogitsError(
        ErrorCode.INVALID,
        f"LOGITS_MODEL must be the JSON of a LanguageModel's spec with its name, but {problem}. Mend it.",
        field="LOGITS_MODEL",
    )
