"""Muon for the matrices, AdamW for the rest.

Muon (Jordan et al. 2024) orthogonalises the momentum of every weight matrix with five Newton-Schulz iterations; it
needs about half the steps of AdamW here. The iterations cost as much as a small batch, so the processes share them.
"""

import torch
import torch.distributed as dist
from torch import Tensor, nn

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_MOMENTUM = 0.95
_DECAY = 0.01


class Muon(torch.optim.Optimizer):
    """Optimizes matrices: every process orthogonalises its share of them, and the updates are then added up."""

    def __init__(self, matrices: list[nn.Parameter], dtype: torch.dtype, lr: float) -> None:
        """Compute the iterations in ``dtype``."""
        super().__init__(matrices, {"lr": lr})
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # no closures here
        shared = dist.is_initialized() and dist.get_world_size() > 1
        rank, n_ranks = (dist.get_rank(), dist.get_world_size()) if shared else (0, 1)
        for group in self.param_groups:
            updates = []
            for number, matrix in enumerate(group["params"]):
                momentum = self.state[matrix].setdefault("momentum", torch.zeros_like(matrix))
                momentum.mul_(_MOMENTUM).add_(matrix.grad)
                mine = number % n_ranks == rank
                direction = matrix.grad.add(momentum, alpha=_MOMENTUM)
                updates.append(orthogonal(direction, self._dtype) if mine else torch.zeros_like(matrix))
            if shared:
                flat = torch.cat([update.flatten() for update in updates])
                dist.all_reduce(flat)
                updates = list(torch.split(flat, [update.numel() for update in updates]))
            for matrix, update in zip(group["params"], updates, strict=True):
                scale = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
                matrix.mul_(1 - group["lr"] * _DECAY).add_(update.view_as(matrix), alpha=-group["lr"] * scale)


def orthogonal(matrix: Tensor, dtype: torch.dtype, iterations: int = 5) -> Tensor:
    """Return the nearest matrix with singular values around 1, by a quintic Newton-Schulz iteration."""
    a, b, c = _COEFFICIENTS
    x = matrix.to(dtype)
    x = x / (x.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(iterations):
        square = x @ x.T
        x = a * x + (b * square + c * (square @ square)) @ x
    straight: Tensor = x.T if tall else x
    return straight.to(matrix.dtype)


def optimizers(model: nn.Module, dtype: torch.dtype, *, lr: float, matrix_lr: float) -> tuple[torch.optim.AdamW, Muon]:
    """Build AdamW for embeddings, convolutions, norms, biases and the output, and Muon for the layers' matrices."""
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    is_matrix = {
        name: parameter.ndim == 2 and "layers." in name for name, parameter in named if parameter.requires_grad
    }
    matrices = [parameter for name, parameter in named if is_matrix[name]]
    rest = [parameter for name, parameter in named if not is_matrix[name]]
    return torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.98), weight_decay=0.01), Muon(matrices, dtype, matrix_lr)
