"""The network room: a Llama-architecture transformer in plain PyTorch, named as in Hugging Face."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    """Sizes of the network; lengths and counts are in elements."""

    vocabulary: int
    hidden: int = 192
    layers: int = 4
    heads: int = 6
    feed_forward: int = 512
    context: int = 4096
    rope_base: float = 10000.0
    norm_epsilon: float = 1e-5

    @property
    def head(self) -> int:
        """Return the width of one attention head."""
        return self.hidden // self.heads


class Attention(nn.Module):
    """Causal self-attention with rotary positions in the split-halves layout."""

    def __init__(self, shape: Shape) -> None:
        """Create the four projections."""
        super().__init__()
        self.heads = shape.heads
        self.q_proj = nn.Linear(shape.hidden, shape.hidden, bias=False)
        self.k_proj = nn.Linear(shape.hidden, shape.hidden, bias=False)
        self.v_proj = nn.Linear(shape.hidden, shape.hidden, bias=False)
        self.o_proj = nn.Linear(shape.hidden, shape.hidden, bias=False)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], dropout: float) -> Tensor:
        """Map (batch, time, hidden) to the same shape; ``turn`` holds cosines and sines."""
        batch, time, hidden = x.shape

        def split(projected: Tensor) -> Tensor:
            return projected.view(batch, time, self.heads, -1).transpose(1, 2)

        query = rotate(split(self.q_proj(x)), turn)
        key = rotate(split(self.k_proj(x)), turn)
        mixed = functional.scaled_dot_product_attention(
            query, key, split(self.v_proj(x)), is_causal=True, dropout_p=dropout
        )
        return self.o_proj(mixed.transpose(1, 2).reshape(batch, time, hidden))


class FeedForward(nn.Module):
    """SwiGLU feed-forward network."""

    def __init__(self, shape: Shape) -> None:
        """Create the three projections."""
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden, shape.feed_forward, bias=False)
        self.up_proj = nn.Linear(shape.hidden, shape.feed_forward, bias=False)
        self.down_proj = nn.Linear(shape.feed_forward, shape.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, time, hidden) to the same shape."""
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    """One transformer block with normalisation before each half."""

    def __init__(self, shape: Shape) -> None:
        """Create both halves and their norms."""
        super().__init__()
        self.input_layernorm = nn.RMSNorm(shape.hidden, eps=shape.norm_epsilon)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = nn.RMSNorm(shape.hidden, eps=shape.norm_epsilon)
        self.mlp = FeedForward(shape)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], dropout: float) -> Tensor:
        """Map (batch, time, hidden) to the same shape."""
        mixed = self.self_attn(self.input_layernorm(x), turn, dropout)
        x = x + functional.dropout(mixed, dropout, self.training)
        fed = self.mlp(self.post_attention_layernorm(x))
        return x + functional.dropout(fed, dropout, self.training)


class Llama(nn.Module):
    """Token ids in, logits out; the output matrix is the embedding's."""

    def __init__(self, shape: Shape, *, dropout: float = 0.0) -> None:
        """Create the layers and draw initial weights from torch's global generator."""
        super().__init__()
        self.shape = shape
        self.dropout = dropout
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.hidden)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.hidden, eps=shape.norm_epsilon)
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.normal_(part.weight, std=part.in_features**-0.5)
        nn.init.normal_(self.embed_tokens.weight, std=0.05)

    def forward(self, ids: Tensor) -> Tensor:
        """Map ids (batch, time) to hidden states (batch, time, hidden) before the output matrix."""
        dropout = self.dropout if self.training else 0.0
        turn = rope_table(self.shape, ids.shape[1])
        x = functional.dropout(self.embed_tokens(ids), dropout, self.training)
        for layer in self.layers:
            x = layer(x, turn, dropout)
        return self.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """Map hidden states (..., hidden) to scores (..., vocabulary)."""
        return functional.linear(hidden, self.embed_tokens.weight)

    @torch.no_grad()
    def greedy(self, ids: list[int], stop: int, *, most: int = 600) -> list[int]:
        """Continue a prompt with the likeliest tokens until ``stop`` (excluded) or ``most``."""
        written: list[int] = []
        while len(written) < most:
            hidden = self(torch.tensor([ids + written]))[0, -1]
            token = int(self.logits(hidden).argmax())
            if token == stop:
                break
            written.append(token)
        return written


def rope_table(shape: Shape, time: int) -> tuple[Tensor, Tensor]:
    """Return cosines and sines of shape (time, head) for the first ``time`` positions."""
    exponents = torch.arange(0, shape.head, 2, dtype=torch.float32) / shape.head
    angles = torch.outer(torch.arange(time, dtype=torch.float32), shape.rope_base**-exponents)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Turn queries or keys (batch, heads, time, head) by their positions."""
    first, second = x.chunk(2, dim=-1)
    return x * turn[0] + torch.cat((-second, first), dim=-1) * turn[1]
