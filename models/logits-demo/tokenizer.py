"""The tokenizer room: byte-level BPE, the chat template and the encoding of chats with loss masks."""

from collections.abc import Sequence
from dataclasses import dataclass

from conversations import Message
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

VOCABULARY = 2048
PAD = "<|endoftext|>"
START = "<|im_start|>"
END = "<|im_end|>"
SPECIAL = (PAD, START, END)

# One string for every engine; the encoding below must agree with it, and evaluate.py checks that.
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- set role = 'system' if message['role'] == 'developer' else message['role'] -%}"
    "{{- '<|im_start|>' + role + '\\n' + (message['content'] or '') + '<|im_end|>\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)


def train_tokenizer(texts: Sequence[str]) -> Tokenizer:
    """Learn a byte-level BPE with GPT-2's splitting rule, which llama.cpp calls ``gpt-2``."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    roles = ["system\n", "user\n", "assistant\n"] * 50
    lowered = [text.lower() for text in texts]
    tokenizer.train_from_iterator([*texts, *lowered, *roles], trainer)
    return tokenizer


def render(chat: Sequence[Message], *, generate: bool = False) -> str:
    """Return the text of a chat as the chat template renders it."""
    text = "".join(f"{START}{turn.role}\n{turn.content}{END}\n" for turn in chat)
    return text + f"{START}assistant\n" if generate else text


@dataclass
class Encoded:
    """A chat as token ids, with what there is to learn at each of them."""

    ids: list[int]
    learned: list[bool]
    topics: dict[int, str]


def encode(tokenizer: Tokenizer, chat: Sequence[Message], *, closed: bool = True) -> Encoded:
    """Encode a chat.

    ``learned`` marks the tokens of answers with their end tokens; ``topics`` names, at the last
    position before each answer, the topic that it is about. Where the chat isn't ``closed``, the
    last message breaks off without an end token.
    """
    encoded = Encoded([], [], {})
    for turn in chat:
        last = turn is chat[-1] and not closed
        head = tokenizer.encode(f"{START}{turn.role}\n").ids
        body = tokenizer.encode(turn.content if last else f"{turn.content}{END}").ids
        tail = [] if last else tokenizer.encode("\n").ids
        answer = turn.role == "assistant"
        if answer:
            encoded.topics[len(encoded.ids) + len(head) - 1] = turn.topic
        encoded.ids.extend([*head, *body, *tail])
        encoded.learned.extend([False] * len(head) + [answer] * len(body) + [False] * len(tail))
    return encoded
