"""The optimizer room: Muon in float32, which processors without bfloat16 units need.

Muon (Keller Jordan, 2024) replaces each matrix update by its nearest orthogonal matrix, found by
a few Newton-Schulz steps. PyTorch's own version computes them in bfloat16, which costs seconds per
step on an ordinary processor.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ROUNDS = 4


class Muon(torch.optim.Optimizer):
    """Momentum, then orthogonalisation; for two-dimensional weights only."""

    def __init__(self, weights: Iterable[Tensor], *, lr: float, momentum: float = 0.95, decay: float = 0.0) -> None:
        """Keep the weights; ``decay`` is the weight decay per unit of learning rate."""
        super().__init__(weights, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """Update all weights once from their gradients; no closure is supported."""
        del closure
        for group in self.param_groups:
            alike: dict[torch.Size, list[tuple[Tensor, Tensor]]] = {}
            for weight in group["params"]:
                moment = self.state[weight].setdefault("moment", torch.zeros_like(weight))
                moment.lerp_(weight.grad, 1 - group["momentum"])
                update = weight.grad.lerp(moment, group["momentum"])
                alike.setdefault(weight.shape, []).append((weight, update))
            for pairs in alike.values():
                updates = orthogonal(torch.stack([update for _, update in pairs]))
                rows, columns = updates.shape[-2:]
                scale = group["lr"] * max(1.0, rows / columns) ** 0.5
                for (weight, _), update in zip(pairs, updates, strict=True):
                    weight.mul_(1 - group["lr"] * group["decay"]).add_(update, alpha=-scale)


def orthogonal(stack: Tensor) -> Tensor:
    """Bring a stack of matrices (count, rows, columns) near to orthogonal ones, in float32."""
    tall = stack.shape[-2] > stack.shape[-1]
    x = stack.mT if tall else stack
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ROUNDS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.mT if tall else x
