"""What an engine offers to callers: the paths that are relayed, and no others."""

from typing import Final

OFFERED: Final[dict[str, frozenset[str]]] = {
    "GET": frozenset({"/v1/models"}),
    "POST": frozenset(
        {
            "/v1/chat/completions",
            "/v1/completions",
            "/v1/embeddings",
            "/v1/responses",
            "/v1/messages",
            "/v1/messages/count_tokens",
            "/v1/rerank",
            "/v1/score",
            "/v1/classify",
            "/v1/audio/transcriptions",
            "/v1/audio/translations",
            "/rerank",
            "/score",
            "/classify",
            "/pooling",
            "/tokenize",
            "/detokenize",
        }
    ),
}
"""Methods and paths that are relayed. All else an engine has (loading adapters, sleeping, internals) is not."""


def is_offered(method: str, path: str) -> bool:
    """Tell whether a request may reach the engine."""
    return path in OFFERED.get(method, frozenset())
