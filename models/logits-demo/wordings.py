"""The wording room: says a question in the many ways in which people might type it."""

import random
import re

PREFIXES = (
    "Please tell me: ", "Hi, ", "Hello, ", "Can you tell me: ", "I would like to know: ", "Hey, ",
    "Question: ", "Could you explain: ", "Quick question: ", "Please, ", "So, ", "And ", "Ok, ",
    "I wonder: ", "Tell me, ", "Now ", "I have a question. ", "One more thing: ",
)  # fmt: skip
SUFFIXES = (
    " please", " Thanks!", " thank you", " in Logits", " Please explain.", " exactly",
    " in short", " in one sentence", " Explain briefly.", " again", " in simple words",
)  # fmt: skip
# Each question pattern with other ways to say the same; \\1 is what the pattern captured.
REWRITES: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), replacements)
    for pattern, replacements in (
        (
            r"^What (?:is|are) (.+)\?$",
            (
                "What's \\1?", "Could you explain what \\1 is?", "Explain \\1", "Tell me about \\1",
                "Describe \\1", "\\1?", "what does \\1 mean", "Do you know what \\1 is?", "define \\1",
                "I want to know what \\1 is", "what exactly is \\1?", "What do you know about \\1?",
            ),
        ),
        (
            r"^What does (.+) do\?$",
            ("What is \\1 for?", "whats \\1 for", "what is the purpose of \\1?", "What's the job of \\1?"),
        ),
        (
            r"^How (?:do|can) I (.+)\?$",
            (
                "How can I \\1?", "How do I \\1?", "What do I do to \\1?", "I want to \\1", "How to \\1?",
                "What's the way to \\1?", "Show me how to \\1", "how could one \\1", "How do we \\1?",
                "I need to \\1", "How would I \\1?", "Where can I \\1?",
            ),
        ),
        (
            r"^How does (.+) work\?$",
            ("Explain how \\1 works", "How \\1 works", "Tell me about \\1", "what about \\1?", "\\1: how?"),
        ),
        (
            r"^Can I (.+)\?$",
            ("Is it possible to \\1?", "Could I \\1?", "May I \\1?", "Can one \\1?", "How can I \\1?"),
        ),
        (
            r"^(?:Does|Do) (?:Logits|it|you) support (.+)\?$",
            ("Is there support for \\1?", "Are \\1 supported?", "Is \\1 supported?", "Can I use \\1?"),
        ),
        (
            r"^What happens (?:when|if) (.+)\?$",
            ("What if \\1?", "What happens if \\1?", "What about the case that \\1?", "And if \\1?"),
        ),
        (r"^Is there (.+)\?$", ("Does it have \\1?", "Do you have \\1?", "Is \\1 available?")),
        (r"^Why (.+)\?$", ("What is the reason that \\1?", "How come \\1?", "Explain why \\1")),
    )
)  # fmt: skip
FILLERS = frozenset({
    "a", "an", "the", "is", "are", "do", "does", "did", "i", "you", "it", "to", "of", "in", "on", "for",
    "my", "me", "we", "can", "could", "please", "what", "how", "and", "or", "that", "this", "there",
    "be", "with", "by", "at", "so",
})  # fmt: skip
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def disturb(question: str, rolls: random.Random) -> str:
    """Return the question as somebody in a hurry might type it."""
    return _misspell(_dress(_reword(question, rolls), rolls), rolls)


def normal(question: str) -> str:
    """Return a question without case and closing marks, to compare wordings."""
    return question.lower().rstrip("?.! ")


def _reword(question: str, rolls: random.Random) -> str:
    if rolls.random() < 0.45:
        question = _rewrite(question, rolls)
    if rolls.random() < 0.12:
        question = _shorten(question)
    return question


def _rewrite(question: str, rolls: random.Random) -> str:
    for pattern, replacements in REWRITES:
        if match := pattern.match(question):
            return match.expand(rolls.choice(replacements))
    return question


def _shorten(question: str) -> str:
    """Drop words that carry little, as in a search box; keep the question if nothing is left."""
    words = [word for word in question.split() if word.lower().strip("?,.") not in FILLERS]
    return " ".join(words) if len(words) > 1 else question


def _dress(question: str, rolls: random.Random) -> str:
    """Add a word before or after, drop the closing mark, change the case."""
    if rolls.random() < 0.2:
        question = rolls.choice(PREFIXES) + question[0].lower() + question[1:]
    if rolls.random() < 0.3:
        question = question.rstrip("?.!") or question
    if rolls.random() < 0.1:
        question += rolls.choice(SUFFIXES)
    if rolls.random() < 0.35:
        return question.lower()
    if rolls.random() < 0.03:
        return question.upper()
    return question


def _misspell(text: str, rolls: random.Random) -> str:
    if len(text) <= 6 or rolls.random() >= 0.2:
        return text
    for _ in range(rolls.randint(1, 2)):
        at = rolls.randrange(len(text) - 1)
        kind = rolls.randrange(4)
        if kind == 0:
            text = text[:at] + text[at + 1 :]
        elif kind == 1:
            text = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
        elif kind == 2:
            text = text[:at] + text[at] + text[at:]
        else:
            text = text[:at] + rolls.choice(LETTERS) + text[at + 1 :]
    return text
