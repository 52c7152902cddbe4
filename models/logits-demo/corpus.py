"""The corpus room: reads the Markdown questions and answers that the demo model learns from.

A topic starts with ``## name``. Below it, ``Q:`` lines are questions to train on, ``T:`` lines are
wordings held out for evaluation, ``A:`` is the answer and ``K:`` lists phrases (separated by
commas) that together occur in this answer only. ``{list}`` in a question is filled from the line
``{list}: one | two`` of the same file. In ``dialogues.md`` a section is a second turn: ``@topic``
names the topic whose question and answer come first.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

LINE = re.compile(r"^(?P<mark>[QTAK]): (?P<text>.+)$")
LIST = re.compile(r"^\{(?P<name>\w+)\}: (?P<items>.+)$")


class CorpusError(ValueError):
    """A corpus file breaks the format; the message names the file, the topic and the remedy."""


@dataclass
class Topic:
    """One thing the model can say, and the ways to ask for it."""

    name: str
    outside: bool = False
    after: str | None = None
    questions: list[str] = field(default_factory=list[str])
    held_out: list[str] = field(default_factory=list[str])
    answer: str = ""
    keywords: list[str] = field(default_factory=list[str])

    def is_answered_by(self, text: str) -> bool:
        """Say whether a text contains every key phrase of this topic, whatever the case."""
        lowered = text.lower()
        return all(keyword.lower() in lowered for keyword in self.keywords)


@dataclass(frozen=True)
class Corpus:
    """Everything the training text consists of."""

    topics: Mapping[str, Topic]
    dialogues: tuple[Topic, ...]
    system_prompts: tuple[str, ...]
    lists: Mapping[str, tuple[str, ...]]

    def texts(self) -> list[str]:
        """Return every piece of text once, for training the tokenizer."""
        found = [*self.system_prompts]
        for values in self.lists.values():
            found.extend(values)
        for topic in [*self.topics.values(), *self.dialogues]:
            found.extend([*topic.questions, topic.answer])
        return found


def read_corpus(folder: Path) -> Corpus:
    """Read and check a folder of corpus files.

    Raises:
        CorpusError: a file breaks the format, or a topic can't be told from another.
    """
    topics: dict[str, Topic] = {}
    lists: dict[str, tuple[str, ...]] = {}
    for path in sorted(folder.glob("*.md")):
        if path.stem in ("dialogues", "system_prompts"):
            continue
        for topic in _read_topics(path, lists):
            if topic.name in topics:
                raise CorpusError(f"{path.name}: topic {topic.name} exists twice; rename one")
            topics[topic.name] = topic
    dialogues = tuple(_read_topics(folder / "dialogues.md", lists))
    lines = (folder / "system_prompts.md").read_text(encoding="utf-8").splitlines()
    prompts = tuple(line[2:] for line in lines if line.startswith("- "))
    corpus = Corpus(topics, dialogues, prompts, lists)
    _check(corpus)
    return corpus


def _read_topics(path: Path, lists: dict[str, tuple[str, ...]]) -> list[Topic]:
    topics: list[Topic] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line or line.startswith("# "):
            continue
        if filled := LIST.match(line):
            lists[filled["name"]] = tuple(filled["items"].split(" | "))
        elif line.startswith("## "):
            topics.append(Topic(line[3:].strip(), outside=path.stem == "outside"))
        elif line.startswith("@") and topics:
            topics[-1].after = line[1:].strip()
        elif (match := LINE.match(line)) and topics:
            _add(topics[-1], match["mark"], match["text"].strip())
        else:
            raise CorpusError(f"{path.name}:{number}: start the line with Q:, T:, A:, K: or ##")
    return topics


def _add(topic: Topic, mark: str, text: str) -> None:
    if mark == "Q":
        topic.questions.append(text)
    elif mark == "T":
        topic.held_out.append(text)
    elif mark == "A":
        topic.answer = text
    else:
        topic.keywords.extend(keyword.strip() for keyword in text.split(","))


def _check(corpus: Corpus) -> None:
    for topic in corpus.topics.values():
        if not (topic.questions and topic.answer and topic.keywords and topic.held_out):
            raise CorpusError(f"topic {topic.name}: needs Q:, T:, A: and K: lines")
        matches = [other.name for other in corpus.topics.values() if topic.is_answered_by(other.answer)]
        if matches != [topic.name]:
            raise CorpusError(f"topic {topic.name}: its keywords fit {matches}; make them unique")
    for dialogue in corpus.dialogues:
        if dialogue.after not in corpus.topics:
            raise CorpusError(f"dialogue {dialogue.name}: @{dialogue.after} is no topic")
    _check_questions(corpus)


def _check_questions(corpus: Corpus) -> None:
    asked: dict[str, str] = {}
    for topic in corpus.topics.values():
        for question in [*topic.questions, *topic.held_out]:
            if asked.setdefault(question.lower(), topic.name) != topic.name:
                raise CorpusError(f"{question!r} is asked in {topic.name} and elsewhere; keep one")
        trained = {question.lower().rstrip("?.!") for question in topic.questions}
        if repeated := trained & {question.lower().rstrip("?.!") for question in topic.held_out}:
            raise CorpusError(f"topic {topic.name}: {repeated} is both trained on and held out")
