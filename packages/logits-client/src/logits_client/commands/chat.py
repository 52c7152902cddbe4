"""`logits chat`: one question, or a conversation, streamed to the terminal."""

from __future__ import annotations

import sys
from typing import Any

import click

from logits_client.commands.connection import connect, connection
from logits_client.errors import LogitsClientError
from logits_client.sync import Logits


@click.command(help="Ask a model; without QUESTION a conversation, line by line.")
@click.argument("question", nargs=-1)
@click.option("--model", "-m", default=None, help="The model; default: the first that is served.")
@click.option("--system", default=None, help="A system message.")
@connection
def chat(question: tuple[str, ...], model: str | None, system: str | None, url: str, key: str | None) -> None:
    """Ask a model."""
    with connect(url, key) as client:
        name = model or _first_model(client)
        conversation: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
        if question:
            _ask(client, name, conversation, " ".join(question))
            return
        click.echo(f"{name}: type a question, end with Ctrl-D", err=True)
        for line in sys.stdin:
            if line.strip():
                _ask(client, name, conversation, line.strip())


def _first_model(client: Logits) -> str:
    served = client.models()
    if not served:
        raise LogitsClientError("no model is served: enable one in the Console first")
    return served[0].id


def _ask(client: Logits, model: str, conversation: list[dict[str, Any]], question: str) -> None:
    conversation.append({"role": "user", "content": question})
    answer: list[str] = []
    with client.chat_stream(model, conversation) as chunks:
        for chunk in chunks:
            answer.append(chunk.text)
            click.echo(chunk.text, nl=False)
    click.echo()
    conversation.append({"role": "assistant", "content": "".join(answer)})
