"""Readouts: from node features to one feature per task and group (a complex or a chain).

Everything is a sum or softmax over the nodes of a group, without padding: memory is linear in the
nodes and a group's result does not depend on what else is in the batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from hemenet_lab.nn import (
    NodeBatchNorm,
    mlp,
    segment_count,
    segment_max,
    segment_mean,
    segment_softmax,
    segment_sum,
)

BLOCK = 64
"""Nodes of a group that `TaskAware` multiplies with their weights at a time."""
SMALLEST_VARIANCE = 1e-6
"""Added to the variances of `StatisticsPooling`."""


class Readout(nn.Module, ABC):
    """Turns node features into a feature vector per task and group.

    Args:
        dim: Width d_L of the node features and of the result.
        num_tasks: Number of tasks T that read from the same nodes.
    """

    def __init__(self, dim: int, num_tasks: int) -> None:
        super().__init__()
        self.dim = dim
        self.num_tasks = num_tasks

    @abstractmethod
    def forward(
        self,
        h: Float[Tensor, "nodes {self.dim}"],
        group: Int64[Tensor, " nodes"],
        num_groups: int,
    ) -> Float[Tensor, "{self.num_tasks} {num_groups} {self.dim}"]:
        """Reads the groups.

        Args:
            h: Node features, [N, dim].
            group: Group of each node, int64 [N], in any order.
            num_groups: G; groups without nodes get finite features.

        Returns:
            [T, G, dim].
        """


class Sum(Readout):
    """The sum of the nodes of a group, alike for every task."""

    def forward(
        self,
        h: Float[Tensor, "nodes {self.dim}"],
        group: Int64[Tensor, " nodes"],
        num_groups: int,
    ) -> Float[Tensor, "{self.num_tasks} {num_groups} {self.dim}"]:
        return segment_sum(h, group, num_groups).expand(self.num_tasks, -1, -1)


class Mean(Readout):
    """The mean of the nodes of a group, alike for every task; 0 for an empty group."""

    def forward(
        self,
        h: Float[Tensor, "nodes {self.dim}"],
        group: Int64[Tensor, " nodes"],
        num_groups: int,
    ) -> Float[Tensor, "{self.num_tasks} {num_groups} {self.dim}"]:
        return segment_mean(h, group, num_groups).expand(self.num_tasks, -1, -1)


class Weighted(Readout):
    """Node features times the task's prompt, element by element, then summed (Table 3) or averaged.

    The prompt is the same for all nodes, so the nodes are put together first.

    Args:
        dim: Width d_L of the node features and of the result.
        num_tasks: Number of tasks, each with its prompt.
        reduce: ``sum`` (paper) or ``mean`` (released code).
    """

    def __init__(self, dim: int, num_tasks: int, reduce: Literal["sum", "mean"] = "sum") -> None:
        super().__init__(dim, num_tasks)
        if reduce not in ("sum", "mean"):
            raise ValueError(f"Weighted reduce {reduce!r}; allowed: sum, mean")
        self.reduce = reduce
        self.prompt = nn.Parameter(torch.randn(num_tasks, dim) * (2 / dim) ** 0.5)

    def forward(
        self,
        h: Float[Tensor, "nodes {self.dim}"],
        group: Int64[Tensor, " nodes"],
        num_groups: int,
    ) -> Float[Tensor, "{self.num_tasks} {num_groups} {self.dim}"]:
        together = segment_sum if self.reduce == "sum" else segment_mean
        return self.prompt.unsqueeze(1) * together(h, group, num_groups)


class TaskAware(Readout):
    """Cross attention of task prompts to node features (Han et al., AAAI 2025, Eq. 5-6).

    α = softmax over the group's nodes of (W_Q q_t)·(W_K h_n)/√d_head; context = Σ α W_V h;
    f = LN₁(context + s₁(q_t) W_Q q_t); f_t = LN₂(FFN(f) + s₂(q_t) f).

    W_K is applied to the T queries and W_V to the T·G weighted sums of h instead of to all N
    nodes, which is the same by linearity and needs d_L / (T·heads) times less work and memory. An
    empty group has the context of a single node with h = 0.

    Args:
        dim: Width d_L of the node features and of the result.
        num_tasks: Number of tasks T, each with its prompt q_t.
        num_heads: Attention heads; they divide ``dim``.

    Raises:
        ValueError: ``dim`` is not a multiple of ``num_heads``.
    """

    def __init__(self, dim: int, num_tasks: int, num_heads: int = 8) -> None:
        super().__init__(dim, num_tasks)
        if num_heads < 1 or dim % num_heads:
            raise ValueError(
                f"TaskAware: node features of width {dim} cannot be split into {num_heads} heads; "
                "choose num_heads that divides it, or another width of the encoder"
            )
        self.num_heads = num_heads
        self.prompt = nn.Parameter(torch.randn(num_tasks, dim) * (2 / (num_tasks * dim)) ** 0.5)
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.linear = mlp([dim, dim, dim], nn.ReLU)
        self.linear1 = nn.Linear(dim, 1)
        self.linear2 = nn.Linear(dim, 1)
        self.layernorm1 = nn.LayerNorm(dim, eps=1e-12)
        self.layernorm2 = nn.LayerNorm(dim, eps=1e-12)

    def forward(
        self,
        h: Float[Tensor, "nodes {self.dim}"],
        group: Int64[Tensor, " nodes"],
        num_groups: int,
    ) -> Float[Tensor, "{self.num_tasks} {num_groups} {self.dim}"]:
        weights = self.attention(h, group, num_groups).permute(1, 0, 2).flatten(1)
        context = self._context(weights, h, group, num_groups)
        query = self.query(self.prompt)
        skip = self.linear1(self.prompt) * query
        feature = self.layernorm1(context + skip.unsqueeze(1))
        gate = self.linear2(self.prompt).unsqueeze(1)
        return self.layernorm2(self.linear(feature) + gate * feature)

    def attention(
        self,
        h: Float[Tensor, "nodes {self.dim}"],
        group: Int64[Tensor, " nodes"],
        num_groups: int,
    ) -> Float[Tensor, "{self.num_tasks} nodes {self.num_heads}"]:
        """α, [T, N, heads], float32 or better; adds up to 1 over the nodes of each group."""
        with torch.autocast(h.device.type, enabled=False):
            dtype = torch.promote_types(h.dtype, torch.float32)
            query = self.query(self.prompt).view(self.num_tasks, self.num_heads, -1)
            weight = self.key.weight.view(self.num_heads, -1, self.dim)
            # the bias adds the same to all nodes of a head: softmax removes it
            bias = (query * self.key.bias.view(self.num_heads, -1)).sum(-1)
            keys = torch.einsum("thd,hdk->thk", query, weight).flatten(0, 1)
            scores = h.to(dtype) @ keys.to(dtype).t() + bias.to(dtype).flatten()
            scores = scores / (self.dim // self.num_heads) ** 0.5
            weights = segment_softmax(scores, group, num_groups)
        return weights.view(-1, self.num_tasks, self.num_heads).transpose(0, 1)

    def _context(self, weights: Tensor, h: Tensor, group: Tensor, num_groups: int) -> Tensor:
        """Σ α W_V h of every group, [T, G, dim], from weights [N, T·heads]."""
        total = _grouped_products(weights, h.to(weights.dtype), group, num_groups)
        total = total.view(num_groups, self.num_tasks, self.num_heads, self.dim)
        weight = self.value.weight.view(self.num_heads, -1, self.dim).to(total.dtype)
        context = torch.einsum("gthk,hdk->tghd", total, weight).flatten(2)
        return context + self.value.bias


class Counting(TaskAware):
    """`TaskAware` that can also count: a Linear of the sum over the group's nodes is added.

    A softmax gives the same for a site that is there once and twice; numbers of atoms and contacts
    carry much of an affinity.

    Args:
        dim: Width d_L of the node features and of the result.
        num_tasks: Number of tasks T, each with its prompt and its Linear.
        num_heads: Attention heads; they divide ``dim``.
        per_nodes: The sum is divided by this, about the nodes of a group, so that it is of the
            features' size.

    Raises:
        ValueError: ``per_nodes`` is not above 0, or as for `TaskAware`.
    """

    def __init__(
        self, dim: int, num_tasks: int, num_heads: int = 8, per_nodes: float = 50.0
    ) -> None:
        super().__init__(dim, num_tasks, num_heads)
        if not per_nodes > 0:
            raise ValueError(f"Counting: per_nodes is {per_nodes}; it must be above 0")
        self.per_nodes = per_nodes
        self.count = nn.Linear(dim, num_tasks * dim)

    def forward(
        self,
        h: Float[Tensor, "nodes {self.dim}"],
        group: Int64[Tensor, " nodes"],
        num_groups: int,
    ) -> Float[Tensor, "{self.num_tasks} {num_groups} {self.dim}"]:
        counted = self.count(segment_sum(h, group, num_groups) / self.per_nodes)
        counted = counted.view(num_groups, self.num_tasks, self.dim).transpose(0, 1)
        return super().forward(h, group, num_groups) + counted


class StatisticsPooling(Readout):
    """A Linear, one per task, of mean, largest value and standard deviation over the group's nodes.

    Statistics pooling (Snyder et al., Interspeech 2017) and the largest value. Each of the 3·dim
    numbers is brought to mean 0 and variance 1 over the groups of a batch before (batch
    normalisation without weights): those of pretrained features differ by a tenth of their size
    from group to group. A trained model uses the running statistics. An empty group counts as one
    node with h = 0.

    Args:
        dim: Width d_L of the node features and of the result.
        num_tasks: Number of tasks T, each with its Linear.
        dropout: Probability of zeroing one of the 3·dim numbers in training.

    Raises:
        ValueError: ``dropout`` is not at least 0 and below 1.
    """

    def __init__(self, dim: int, num_tasks: int, dropout: float = 0.0) -> None:
        super().__init__(dim, num_tasks)
        if not 0 <= dropout < 1:
            raise ValueError(
                f"StatisticsPooling: dropout is {dropout}; it must be at least 0 and below 1"
            )
        self.norm = NodeBatchNorm(3 * dim, affine=False)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(3 * dim, num_tasks * dim)

    def forward(
        self,
        h: Float[Tensor, "nodes {self.dim}"],
        group: Int64[Tensor, " nodes"],
        num_groups: int,
    ) -> Float[Tensor, "{self.num_tasks} {num_groups} {self.dim}"]:
        found = self.linear(self.dropout(self.norm(self.statistics(h, group, num_groups))))
        return found.view(num_groups, self.num_tasks, self.dim).transpose(0, 1)

    def statistics(
        self,
        h: Float[Tensor, "nodes {self.dim}"],
        group: Int64[Tensor, " nodes"],
        num_groups: int,
    ) -> Float[Tensor, "{num_groups} {3*self.dim}"]:
        """Mean, largest value and deviation of each feature, [G, 3·dim]."""
        h = h.to(torch.promote_types(h.dtype, torch.float32))
        mean = segment_mean(h, group, num_groups)
        variance = segment_mean((h - mean.index_select(0, group)).square(), group, num_groups)
        # the root's gradient at 0, where all nodes are alike, would be infinite
        deviation = (variance + SMALLEST_VARIANCE).sqrt()
        found = torch.cat([mean, segment_max(h, group, num_groups), deviation], dim=1)
        return found.to(self.linear.weight.dtype)


def _grouped_products(
    weights: Float[Tensor, "nodes weights"],
    h: Float[Tensor, "nodes dim"],
    group: Int64[Tensor, " nodes"],
    num_groups: int,
) -> Float[Tensor, "{num_groups} weights dim"]:
    """Σ over the nodes of each group of the outer product of their weights and features.

    The nodes of a group are laid into blocks of equal size, filled up with zeros, and all blocks
    are multiplied at once. No size depends on the values in ``group``: N // BLOCK + G blocks are
    enough however the nodes are spread.

    Args:
        weights: [N, W].
        h: [N, d].
        group: Group of each node, int64 [N].
        num_groups: G.

    Returns:
        [G, W, d].
    """
    num_blocks = len(h) // BLOCK + num_groups
    size = segment_count(group, num_groups)
    order = group.argsort(stable=True)
    ordered = group.index_select(0, order)
    rank = torch.arange(len(h), device=h.device) - (size.cumsum(0) - size).index_select(0, ordered)
    ends = ((size + BLOCK - 1) // BLOCK).cumsum(0)
    starts = ends - (size + BLOCK - 1) // BLOCK
    cell = starts.index_select(0, ordered) * BLOCK + rank
    cell = torch.empty_like(cell).index_copy(0, order, cell)
    of_weights, of_nodes = (
        x.new_zeros(num_blocks * BLOCK, x.shape[1])
        .index_copy(0, cell, x)
        .view(num_blocks, BLOCK, x.shape[1])
        for x in (weights, h)
    )
    products = torch.bmm(of_weights.transpose(1, 2), of_nodes)
    block = torch.arange(num_blocks, device=h.device)
    # blocks that no group needs hold zeros; they may belong to the last one
    owner = torch.searchsorted(ends, block, right=True).clamp(max=max(num_groups - 1, 0))
    return segment_sum(products, owner, num_groups)
