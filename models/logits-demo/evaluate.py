"""The evaluation room: proves the export right and measures held-out questions on the real engine."""

import argparse
import random
from pathlib import Path

import torch
from conversations import ConversationSource, Message
from corpus import Corpus, Topic, read_corpus
from engine import Engine, running
from model import Llama, Shape
from safetensors.torch import load_file
from tokenizer import END, encode, render
from tokenizers import Tokenizer

HERE = Path(__file__).parent
SEED = 7
GATEWAY_QUESTION = "What is the Gateway?"
SYSTEM_MESSAGE = "You are the polite assistant of a shipyard in Bergen. Mention no competitors."


def load(folder: Path) -> tuple[Llama, Tokenizer]:
    """Load the network and the tokenizer from the Hugging Face folder, weights in float32."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    weights = load_file(folder / "model.safetensors")
    model = Llama(Shape(tokenizer.get_vocab_size()))
    model.load_state_dict({name.removeprefix("model."): weight.float() for name, weight in weights.items()})
    return model.eval(), tokenizer


def check_tokenizer(engine: Engine, tokenizer: Tokenizer, texts: list[str]) -> None:
    """Stop unless both tokenizers split every text alike and both templates render a chat alike.

    Raises:
        SystemExit: they differ; the text is named.
    """
    for text in texts:
        theirs = engine.post("/tokenize", {"content": text, "parse_special": True, "add_special": False})
        if theirs["tokens"] != tokenizer.encode(text).ids:
            raise SystemExit(f"tokenizers differ on {text!r}")
    roles = ("system", "user", "assistant", "user")
    chat = [Message(role, f"Text of the {role}.") for role in roles]
    messages = [{"role": message.role, "content": message.content} for message in chat]
    theirs = engine.post("/apply-template", {"messages": messages})["prompt"]
    if theirs.rstrip("\n") != render(chat, generate=True).rstrip("\n"):
        raise SystemExit(f"templates differ: {theirs!r}")
    if tokenizer.encode(render(chat)).ids != encode(tokenizer, chat).ids:
        raise SystemExit("training encodes chats unlike the template")


def greedy_agreement(engine: Engine, model: Llama, tokenizer: Tokenizer, questions: list[str]) -> int:
    """Count the questions that PyTorch and the engine answer with the same text, without sampling."""
    same = 0
    for question in questions:
        prompt = tokenizer.encode(render([Message("user", question)], generate=True)).ids
        ours = tokenizer.decode(model.greedy(prompt, tokenizer.token_to_id(END)))
        theirs = engine.ask(question, temperature=0)
        same += ours == theirs
        if ours != theirs:
            print(f"  differs on {question!r}:\n    torch: {ours}\n    gguf:  {theirs}")
    return same


def check_export(engine: Engine, model: Llama, tokenizer: Tokenizer, corpus: Corpus) -> None:
    """Print how often both formats write the same text, and stop if a trained question differs.

    A held-out question that the model doesn't understand leaves it near a tie at every token, and
    the engine's float16 arithmetic may break a tie the other way; so those are only counted.

    Raises:
        SystemExit: a trained question is answered differently.
    """
    source = ConversationSource(corpus, SEED)
    trained = [source.fill(topic.questions[0]) for topic in corpus.topics.values()][::6]
    unseen = [question for _, question in held_out(corpus)][::8]
    same_trained = greedy_agreement(engine, model, tokenizer, trained)
    same_unseen = greedy_agreement(engine, model, tokenizer, unseen)
    print(f"same greedy text from PyTorch and GGUF, trained wordings: {same_trained}/{len(trained)}")
    print(f"same greedy text from PyTorch and GGUF, held-out wordings: {same_unseen}/{len(unseen)}")
    if same_trained < len(trained):
        raise SystemExit("the export changed the model")


def held_out(corpus: Corpus) -> list[tuple[Topic, str]]:
    """Return every held-out question with its topic."""
    return [(topic, question) for topic in corpus.topics.values() for question in topic.held_out]


def measure(engine: Engine, corpus: Corpus, name: str, *, before: int = 0, system: str = "", **options: float) -> None:
    """Ask all held-out questions and print the share answered with the right topic's key phrases.

    Args:
        engine: the running engine.
        corpus: the topics; earlier turns are drawn from them too.
        name: heading of the printed line.
        before: number of other exchanges that precede the question in the same chat.
        system: a system message, or empty for none.
        options: request fields such as temperature.
    """
    draw = random.Random(SEED)  # noqa: S311 - reproducible measurement, not a secret
    source = ConversationSource(corpus, SEED)
    cases, right, exact = held_out(corpus), 0, 0
    for topic, question in cases:
        messages = [{"role": "system", "content": system}] if system else []
        for earlier in draw.choices(list(corpus.topics.values()), k=before):
            messages.append({"role": "user", "content": source.fill(earlier.questions[0])})
            messages.append({"role": "assistant", "content": earlier.answer})
        answer = engine.chat([*messages, {"role": "user", "content": question}], **options)
        right += topic.is_answered_by(answer)
        exact += answer == topic.answer
        if not topic.is_answered_by(answer) and not before and not system:
            print(f"  [{topic.name}] {question!r} -> {answer}")
    print(f"{name}: {right}/{len(cases)} on topic ({right / len(cases):.1%}), {exact} word for word")


def trained_share(engine: Engine, corpus: Corpus) -> None:
    """Ask two trained wordings of each topic and print the share answered on topic."""
    source = ConversationSource(corpus, SEED)
    cases = [(topic, source.fill(text)) for topic in corpus.topics.values() for text in topic.questions[:2]]
    missed = [(topic, text) for topic, text in cases if not topic.is_answered_by(engine.ask(text, seed=SEED))]
    for topic, text in missed:
        print(f"  [{topic.name}] {text!r} was trained on and missed")
    print(f"trained wordings, default sampling: {len(cases) - len(missed)}/{len(cases)} on topic")


def main() -> None:
    """Run all checks and print the figures of the model card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=HERE, help="folder with logits-demo.gguf and hf/")
    parser.add_argument("--gateway-runs", type=int, default=20, help="sampled runs of one question")
    options = parser.parse_args()
    torch.set_num_threads(2)
    corpus = read_corpus(HERE / "corpus")
    model, tokenizer = load(options.model / "hf")
    with running(options.model / "logits-demo.gguf") as engine:
        check_tokenizer(engine, tokenizer, [*corpus.texts(), "été  12345\n\n don't ß 你好 🙂 \t x"])
        print("tokenizers and templates agree")
        check_export(engine, model, tokenizer, corpus)
        gateway = corpus.topics["gateway"]
        runs = [engine.ask(GATEWAY_QUESTION, seed=run) for run in range(options.gateway_runs)]
        good = sum(gateway.is_answered_by(answer) for answer in runs)
        print(f"{GATEWAY_QUESTION} sampled: {good}/{len(runs)} on topic, {len(set(runs))} different")
        trained_share(engine, corpus)
        measure(engine, corpus, "held out, default sampling")
        measure(engine, corpus, "held out, temperature 1", temperature=1.0)
        measure(engine, corpus, "held out, after three other exchanges", before=3)
        measure(engine, corpus, "held out, unseen system message", system=SYSTEM_MESSAGE)


if __name__ == "__main__":
    main()
