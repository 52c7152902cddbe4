"""The conversation room: draws varied training chats from the corpus, reproducibly by seed."""

import random
import re
from dataclasses import dataclass

from corpus import Corpus, Topic
from wordings import disturb, normal

SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Message:
    """One message of a chat; role is ``system``, ``user`` or ``assistant``, whose topic is named."""

    role: str
    content: str
    topic: str = ""


class ConversationSource:
    """Draws endless training chats: paraphrased, misspelt, with system messages and several turns."""

    def __init__(self, corpus: Corpus, seed: int) -> None:
        """Keep the corpus and start a random sequence of its own from the seed."""
        self._corpus = corpus
        self._random = random.Random(seed)  # noqa: S311 - reproducible training data, not a secret
        self._topics = list(corpus.topics.values())
        # Outside topics stand for an open world of questions, so they are drawn more often.
        self._weights = [3.0 if topic.outside else 1.0 for topic in self._topics]
        self._held_out = {normal(text) for topic in self._topics for text in topic.held_out}
        self._answers = [topic.answer for topic in self._topics]

    def draw(self) -> list[Message]:
        """Return one chat that ends with an assistant message."""
        chat: list[Message] = []
        if self._random.random() < 0.3:
            chat.append(Message("system", self._system_prompt()))
        for _ in range(self._turns()):
            chat.extend(self._turn())
        return chat

    def draw_opening(self, words: int) -> list[Message]:
        """Return one exchange whose answer breaks off after a few words; it teaches where to start."""
        topic = self._random.choices(self._topics, self._weights)[0]
        question, answer = self._exchange(topic)
        opening = " ".join(answer.content.split(" ")[:words])
        return [question, Message("assistant", opening, topic.name)]

    def _turns(self) -> int:
        roll = self._random.random()
        if roll < 0.62:
            return 1
        if roll < 0.85:
            return 2
        if roll < 0.98:
            return self._random.randint(3, 6)
        return self._random.randint(7, 20)

    def _turn(self) -> list[Message]:
        if self._random.random() < 0.12:
            second = self._random.choice(self._corpus.dialogues)
            first = self._corpus.topics[second.after or ""]
            return [*self._exchange(first), *self._exchange(second)]
        return self._exchange(self._random.choices(self._topics, self._weights)[0])

    def _exchange(self, topic: Topic) -> list[Message]:
        plain = self.fill(self._random.choice(topic.questions))
        question = disturb(plain, self._random)
        if normal(question) in self._held_out:
            question = plain
        return [Message("user", question), Message("assistant", topic.answer, topic.name)]

    def _system_prompt(self) -> str:
        rolls = self._random
        parts = rolls.sample(self._corpus.system_prompts, rolls.randint(1, 4))
        if rolls.random() < 0.2:
            parts.append(rolls.choice(self._answers)[: rolls.randint(20, 160)])
        rolls.shuffle(parts)
        return " ".join(parts)

    def fill(self, question: str) -> str:
        """Replace each ``{list}`` in a question by one of its values."""
        return SLOT.sub(lambda slot: self._random.choice(self._corpus.lists[slot[1]]), question)
