"""The batch room: turns endless chats into padded tensors of inputs and targets."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from conversations import ConversationSource
from tokenizer import Encoded, encode
from tokenizers import Tokenizer
from torch import Tensor

IGNORED = -100
OPENING_WORDS = 7


@dataclass(frozen=True)
class Batch:
    """Three integer tensors of shape (chats, time); targets that don't count hold IGNORED."""

    inputs: Tensor
    targets: Tensor
    topics: Tensor


@dataclass(frozen=True)
class BatchSize:
    """Tokens per step: in whole chats, in openings of answers, and the longest chat."""

    chats: int = 900
    openings: int = 800
    longest: int = 1536


class Batches:
    """Draws batches of whole chats and batches of openings, reproducibly."""

    def __init__(
        self, source: ConversationSource, tokenizer: Tokenizer, topics: Mapping[str, int], size: BatchSize
    ) -> None:
        """Keep where chats come from and the number of each topic."""
        self._source = source
        self._tokenizer = tokenizer
        self._topics = topics
        self._size = size

    def chats(self) -> Iterator[Batch]:
        """Yield endless batches of whole chats, those of similar length together."""
        while True:
            pool = [encode(self._tokenizer, self._source.draw()) for _ in range(400)]
            yield from self._grouped(pool, self._size.chats)

    def openings(self) -> Iterator[Batch]:
        """Yield endless batches of questions with the first words of their answers.

        What an answer is about is decided in its first words. They are few among all tokens, so
        whole chats alone would teach the choice slowly.
        """
        while True:
            drawn = [self._source.draw_opening(OPENING_WORDS) for _ in range(400)]
            pool = [encode(self._tokenizer, chat, closed=False) for chat in drawn]
            yield from self._grouped(pool, self._size.openings)

    def _grouped(self, pool: list[Encoded], tokens: int) -> Iterator[Batch]:
        pool.sort(key=lambda chat: len(chat.ids))
        groups: list[list[Encoded]] = [[]]
        for chat in pool:
            length = min(len(chat.ids), self._size.longest)
            if groups[-1] and length * (len(groups[-1]) + 1) > tokens:
                groups.append([])
            groups[-1].append(chat)
        order = torch.randperm(len(groups)).tolist()
        yield from (self._collate(groups[index]) for index in order)

    def _collate(self, chats: list[Encoded]) -> Batch:
        time = min(max(len(chat.ids) for chat in chats), self._size.longest) - 1
        inputs = torch.zeros(len(chats), time, dtype=torch.long)
        targets = torch.full((len(chats), time), IGNORED)
        topics = torch.full((len(chats), time), IGNORED)
        for row, chat in enumerate(chats):
            ids = torch.tensor(chat.ids[: time + 1])
            learned = torch.tensor(chat.learned[: time + 1])
            inputs[row, : len(ids) - 1] = ids[:-1]
            targets[row, : len(ids) - 1] = torch.where(learned, ids, IGNORED)[1:]
            for position, topic in chat.topics.items():
                if position < time:
                    topics[row, position] = self._topics[topic]
        return Batch(inputs, targets, topics)
