"""The synchronous client."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from logits_client import calls
from logits_client.errors import LogitsClientError, StreamBrokenError, TimedOutError, stream_error
from logits_client.streaming import DONE, EventDecoder
from logits_client.transport import Options, checked, failure_of, is_transport_failure
from logits_client.types import ChatChunk, ChatCompletion, Model, ModelDeployment

ResultT = TypeVar("ResultT")
POLL_SECONDS = 0.25


class Logits:
    """A client of one Logits platform; safe to share between threads.

    Args:
        base_url: where the ingress answers; default LOGITS_BASE_URL, else http://127.0.0.1:8080.
        options: everything else: key, deadlines, retries.
        http_client: an ``httpx.Client`` (or an ``httpx2`` one) of your own; you close it.
    """

    def __init__(self, base_url: str | None = None, *, options: Options | None = None, http_client: Any = None) -> None:
        chosen = options or Options()
        self._options = chosen.at(base_url)
        self._own = http_client is None
        self._http: Any = httpx.Client(timeout=self._options.timeouts()) if self._own else http_client
        self.deployments = Deployments(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if self._own:
            self._http.close()

    def chat(self, model: str, messages: calls.Messages, **options: Any) -> ChatCompletion:
        """Ask and wait for the whole answer.

        Args:
            model: a model's name.
            messages: a conversation, or just the user's words.
            options: any further field of the API, such as ``temperature``.
        """
        return self.run(calls.chat(model, messages, options))

    @contextmanager
    def chat_stream(
        self, model: str, messages: calls.Messages, **options: Any
    ) -> Generator[Iterator[ChatChunk], None, None]:
        """Ask and iterate over the chunks of the answer; leaving the context aborts the generation."""
        call = calls.chat_stream(model, messages, options)
        response = self._open(call)
        try:
            yield self._chunks(call, response)
        finally:
            response.close()

    def models(self) -> list[Model]:
        """Every model that can be called."""
        return self.run(calls.models()).data

    def model(self, name: str) -> Model:
        """One model."""
        return self.run(calls.model(name))

    def run(self, call: calls.Call[ResultT]) -> ResultT:
        """Send a call, with retries, and decode its answer."""
        response = self._open(call)
        try:
            body = response.read()
        except Exception as error:
            if is_transport_failure(error):
                raise failure_of(error, self._options.base_url) from error
            raise
        finally:
            response.close()
        return call.decode(body)

    def _open(self, call: calls.Call[Any]) -> Any:
        attempt = 0
        while True:
            attempt += 1
            try:
                return self._send(call)
            except LogitsClientError as failure:
                pause = self._options.pause(failure, attempt, call)
                if pause is None:
                    raise
                time.sleep(pause)

    def _send(self, call: calls.Call[Any]) -> Any:
        request = self._http.build_request(
            call.method,
            self._options.url(call.path),
            content=call.content(),
            headers=self._options.headers(call.headers),
        )
        try:
            response = self._http.send(request, stream=True)
        except Exception as error:
            if is_transport_failure(error):
                raise failure_of(error, self._options.base_url) from error
            raise
        if response.status_code >= 300:
            try:
                checked(response.status_code, response.headers, response.read())
            finally:
                response.close()
        return response

    def _chunks(self, call: calls.Call[ChatChunk], response: Any) -> Iterator[ChatChunk]:
        decoder = EventDecoder()
        try:
            for chunk in response.iter_bytes():
                for event in decoder.feed(chunk):
                    if event == DONE:
                        return
                    if failure := stream_error(event):
                        raise failure
                    yield call.decode(event)
        except Exception as error:
            if is_transport_failure(error):
                raise StreamBrokenError("the connection broke in the middle of the answer") from error
            raise
        raise StreamBrokenError("the stream ended before the answer was complete")


class Deployments:
    """Management of model deployments; reach it as ``client.deployments``."""

    def __init__(self, client: Logits) -> None:
        self._client = client

    def list(self) -> list[ModelDeployment]:
        """Every deployment, enabled or not."""
        return self._client.run(calls.deployments()).items

    def get(self, name: str) -> ModelDeployment:
        """One deployment."""
        return self._client.run(calls.deployment(name))

    def create(self, name: str, model: str, **spec: Any) -> ModelDeployment:
        """A new deployment of a catalogue model."""
        return self._client.run(calls.create_deployment(name, model, spec))

    def enable(self, name: str) -> ModelDeployment:
        """Let it run."""
        return self._client.run(calls.change_deployment(name, {"enabled": True}))

    def disable(self, name: str) -> ModelDeployment:
        """Stop it and free its GPUs."""
        return self._client.run(calls.change_deployment(name, {"enabled": False}))

    def scale(
        self,
        name: str,
        *,
        minimum: int | None = None,
        maximum: int | None = None,
        scale_to_zero_after_seconds: int | None = None,
    ) -> ModelDeployment:
        """Change how many replicas there may be."""
        fields = calls.scale_fields(minimum, maximum, scale_to_zero_after_seconds)
        return self._client.run(calls.change_deployment(name, fields))

    def delete(self, name: str) -> None:
        """Remove it."""
        self._client.run(calls.delete_deployment(name))

    def wait_ready(
        self, name: str, *, timeout: float = 300.0, progress: Callable[[ModelDeployment], None] | None = None
    ) -> ModelDeployment:
        """Wait until it answers.

        Args:
            name: the deployment.
            timeout: seconds to wait at most.
            progress: told of the deployment at every look.

        Raises:
            TimedOutError: with the reason that the platform gives.
        """
        deadline = time.monotonic() + timeout
        while True:
            found = self.get(name)
            if progress:
                progress(found)
            if found.ready:
                return found
            if time.monotonic() > deadline:
                raise TimedOutError(f"{name} is {found.status.stage} after {timeout:g} s: {found.reason}")
            time.sleep(POLL_SECONDS)
