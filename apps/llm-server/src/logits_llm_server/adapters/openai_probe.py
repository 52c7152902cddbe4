"""Asking an engine for one real token, and reading what it publishes, over its own HTTP API."""

from typing import Any, Final, cast

import httpx

from logits_core.errors import ErrorCode, LogitsError
from logits_llm_server.engine import Endpoint

PROBE_SECONDS: Final = 120.0
READ_SECONDS: Final = 5.0
_QUESTIONS: Final = (
    ("/v1/completions", {"prompt": "Hello", "max_tokens": 1, "temperature": 0}),
    ("/v1/embeddings", {"input": "Hello"}),
)
"""The second is for models that only embed; engines refuse the first for those."""


class EngineApi:
    """Small requests of the LLM Server's own to an engine.

    Args:
        http: shared by all requests.
        model: the name under which the engine serves its model.
    """

    def __init__(self, http: httpx.AsyncClient, model: str) -> None:
        self._http = http
        self._model = model

    async def probe(self, endpoint: Endpoint) -> None:
        """Let the engine generate one token, or embed one word.

        Raises:
            LogitsError: ``UPSTREAM_FAILED``, saying what it answered.
        """
        answer = None
        for path, question in _QUESTIONS:
            body: dict[str, Any] = {"model": self._model, **question}
            answer = await self._request(endpoint, "POST", path, body, PROBE_SECONDS)
            if answer.is_success and _generated(answer):
                return
            if answer.is_server_error and answer.status_code != httpx.codes.NOT_IMPLEMENTED.value:
                break
        status = answer.status_code if answer is not None else 0
        raise LogitsError(
            ErrorCode.UPSTREAM_FAILED,
            f"The engine loaded the model but generated nothing when asked (it answered {status}).",
        )

    async def read(self, endpoint: Endpoint, path: str) -> bytes:
        """Return a document that the engine publishes.

        Raises:
            LogitsError: ``UPSTREAM_FAILED``.
        """
        answer = await self._request(endpoint, "GET", path, None, READ_SECONDS)
        if not answer.is_success:
            raise LogitsError(ErrorCode.UPSTREAM_FAILED, f"The engine answered {answer.status_code} at {path}.")
        return answer.content

    async def _request(
        self, endpoint: Endpoint, method: str, path: str, body: dict[str, Any] | None, seconds: float
    ) -> httpx.Response:
        try:
            return await self._http.request(method, endpoint.url + path, json=body, timeout=seconds)
        except httpx.HTTPError as error:
            raise LogitsError(
                ErrorCode.UPSTREAM_FAILED, f"The engine did not answer at {path} ({type(error).__name__})."
            ) from error


def _generated(answer: httpx.Response) -> bool:
    document = cast("dict[str, Any]", answer.json())
    usage = cast("dict[str, Any]", document.get("usage") or {})
    return bool(usage.get("completion_tokens") or document.get("data"))
