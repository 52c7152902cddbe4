"""The training room: one command trains the demo model from its corpus and exports both formats."""

import argparse
import math
import time
from collections.abc import Iterable
from pathlib import Path

import torch
from batches import IGNORED, Batch, Batches, BatchSize
from conversations import ConversationSource
from corpus import read_corpus
from export import write_gguf, write_hugging_face
from model import Llama, Shape
from muon import Muon
from tokenizer import train_tokenizer
from torch import Tensor, nn
from torch.nn import functional

HERE = Path(__file__).parent
SEED = 20260
MATRIX_RATE = 0.02
OTHER_RATE = 4e-3
REPORT_EVERY = 50


class Trainer:
    """Fits the network to answers, and a second head, thrown away later, to their topics.

    The topic head sees the state just before an answer. It makes the network gather there what
    the question is about, which the words of the answer alone teach only slowly.
    """

    def __init__(self, model: Llama, topics: int) -> None:
        """Create the topic head and the optimizers."""
        self.model = model
        self.topic_head = nn.Linear(model.shape.hidden, topics)
        matrices = [weight for weight in model.layers.parameters() if weight.ndim == 2]
        norms = [weight for weight in model.parameters() if weight.ndim == 1]
        others = [model.embed_tokens.weight, *norms, *self.topic_head.parameters()]
        self.optimizers: tuple[torch.optim.Optimizer, ...] = (
            Muon(matrices, lr=MATRIX_RATE, decay=0.05),
            torch.optim.AdamW(others, lr=OTHER_RATE, betas=(0.9, 0.98), weight_decay=0.01, fused=True),
        )
        self.rates = (MATRIX_RATE, OTHER_RATE)

    def losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the mean losses of a batch, in nats: per learned token and per topic."""
        hidden = self.model(batch.inputs)
        learned, asked = batch.targets != IGNORED, batch.topics != IGNORED
        words = functional.cross_entropy(self.model.logits(hidden[learned]), batch.targets[learned])
        topics = functional.cross_entropy(self.topic_head(hidden[asked]), batch.topics[asked])
        return words, topics

    def step(self, batches: Iterable[Batch], rate: float) -> tuple[float, float]:
        """Take one optimizer step over several batches; returns the mean losses."""
        means = [0.0, 0.0]
        for batch in batches:
            words, topics = self.losses(batch)
            (words + 0.5 * topics).backward()
            means = [means[0] + words.item() / 2, means[1] + topics.item() / 2]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer, highest in zip(self.optimizers, self.rates, strict=True):
            optimizer.param_groups[0]["lr"] = highest * rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return means[0], means[1]


def rate(step: int, steps: int) -> float:
    """Return the learning rate's factor: a short warm-up, a plateau, then down to zero."""
    warm = min(1.0, (step + 1) / 40)
    rest = (steps - step) / (steps * 0.7)
    return warm * (0.5 - 0.5 * math.cos(math.pi * min(1.0, rest)))


def train(trainer: Trainer, batches: Batches, steps: int) -> None:
    """Run the given number of optimizer steps and print the losses now and then."""
    chats, openings = batches.chats(), batches.openings()
    started, sums = time.monotonic(), [0.0, 0.0]
    for step in range(1, steps + 1):
        words, topics = trainer.step((next(chats), next(openings)), rate(step, steps))
        sums = [sums[0] + words, sums[1] + topics]
        if step % REPORT_EVERY == 0:
            word_loss, topic_loss = (value / REPORT_EVERY for value in sums)
            spent = time.monotonic() - started
            print(f"step {step}/{steps} words {word_loss:.4f} topics {topic_loss:.4f} {spent:.0f} s", flush=True)
            sums = [0.0, 0.0]


def main() -> None:
    """Train, then write logits-demo.gguf and hf/ into the output folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000, help="optimizer steps")
    parser.add_argument("--threads", type=int, default=2, help="processor threads")
    parser.add_argument("--output", type=Path, default=HERE, help="folder for the exports")
    options = parser.parse_args()
    torch.manual_seed(SEED)
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    corpus = read_corpus(HERE / "corpus")
    tokenizer = train_tokenizer(corpus.texts())
    model = Llama(Shape(tokenizer.get_vocab_size()))
    size = sum(weight.numel() for weight in model.parameters())
    print(f"{len(corpus.topics)} topics, {tokenizer.get_vocab_size()} tokens, {size:,} parameters")
    names = [*corpus.topics, *(dialogue.name for dialogue in corpus.dialogues)]
    numbers = {name: number for number, name in enumerate(names)}
    source = ConversationSource(corpus, SEED)
    train(Trainer(model, len(names)), Batches(source, tokenizer, numbers, BatchSize()), options.steps)
    model.eval()
    write_hugging_face(model, tokenizer, options.output / "hf")
    write_gguf(model, tokenizer, options.output / "logits-demo.gguf")


if __name__ == "__main__":
    main()
