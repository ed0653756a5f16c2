"""Geometric vector perceptrons, and message passing with them.

Jing et al., "Learning from Protein Structure with Geometric Vector Perceptrons", ICLR 2021; the
vector gate: Jing et al., "Equivariant Graph Neural Networks for 3D Macromolecular Structure", 2021,
arXiv 2106.03843. Features are pairs of scalars [..., s] and vectors [..., v, 3].
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from hemenet_lab.nn import segment_count, segment_sum

Pair = tuple[Tensor, Tensor]
Dims = tuple[int, int]
Activation = Callable[[Tensor], Tensor] | None
Activations = tuple[Activation, Activation]

SQUARE_FLOOR = 1e-8
"""Squared lengths are at least this, so that zero vectors have a gradient."""

CHUNK = 2**16
"""Edges whose messages are held at a time; more are computed again for the gradient."""


def clamped_square(v: Tensor) -> Tensor:
    """``max(‖v‖², 1e-8)`` of vectors [..., 3]."""
    return v.square().sum(-1).clamp(min=SQUARE_FLOOR)


def drop_pair(x: Pair, rate: float, training: bool) -> Pair:
    """Dropout of scalars, and of whole vectors."""
    s, v = x
    keep = F.dropout(torch.ones_like(v[..., :1]), rate, training)
    return F.dropout(s, rate, training), v * keep


class VectorPerceptron(nn.Module):
    """A geometric vector perceptron, GVP (Jing et al. 2021, Algorithm 1; gate: 2106.03843).

    ``V_h = wh V``, ``s_0 = ws [s, ‖V_h‖]``, ``V' = wv V_h`` times ``a_v(‖V'‖)`` or, with the gate,
    times ``σ(wsv a_v(s_0))``; ``s' = a_s(s_0)``.

    Args:
        in_dims: Scalars and vectors of the input; without vectors the output vectors are zero.
        out_dims: Scalars and vectors of the output.
        hidden: Vectors of V_h; the larger of both numbers if not given.
        activations: a_s and a_v.
        vector_gate: Gates the vectors by the scalars.
    """

    def __init__(
        self,
        in_dims: Dims,
        out_dims: Dims,
        hidden: int | None = None,
        activations: Activations = (F.relu, None),
        vector_gate: bool = True,
    ) -> None:
        super().__init__()
        self.in_dims, self.out_dims = in_dims, out_dims
        self.scalar_activation, self.vector_activation = activations
        hidden = (hidden or max(in_dims[1], out_dims[1])) if in_dims[1] else 0
        self.ws = nn.Linear(in_dims[0] + hidden, out_dims[0])
        self.wh = nn.Linear(in_dims[1], hidden, bias=False) if hidden else None
        moves = bool(hidden and out_dims[1])
        self.wv = nn.Linear(hidden, out_dims[1], bias=False) if moves else None
        self.wsv = nn.Linear(out_dims[0], out_dims[1]) if moves and vector_gate else None

    def forward(self, x: Pair) -> Pair:
        """([..., s], [..., v, 3]) → the same with the output's numbers."""
        s, v = x
        if self.wh is None:
            return self.finish(self.ws(s), v)
        hidden = torch.matmul(self.wh.weight, v)
        length = clamped_square(hidden).sqrt()
        return self.finish(self.ws(torch.cat([s, length], dim=-1)), hidden)

    def finish(self, s: Tensor, hidden: Tensor) -> Pair:
        """The output of ``s_0`` and ``V_h``."""
        if self.wv is None:
            v = s.new_zeros(*s.shape[:-1], self.out_dims[1], 3)
        else:
            v = torch.matmul(self.wv.weight, hidden)
            v = v * self._scale(s, v).unsqueeze(-1)
        return (self.scalar_activation(s) if self.scalar_activation else s), v

    def _scale(self, s: Tensor, v: Tensor) -> Tensor:
        """Factor of each output vector."""
        activation = self.vector_activation
        if self.wsv is not None:
            return self.wsv(activation(s) if activation else s).sigmoid()
        return activation(clamped_square(v).sqrt()) if activation else torch.ones_like(v[..., 0])


class PairNorm(nn.Module):
    """Layer norm of the scalars; vectors are divided by their root mean square length."""

    def __init__(self, dims: Dims) -> None:
        super().__init__()
        self.scalar_norm = nn.LayerNorm(dims[0])

    def forward(self, x: Pair) -> Pair:
        s, v = x
        if v.shape[-2]:
            v = v / clamped_square(v).mean(-1).sqrt()[..., None, None]
        return self.scalar_norm(s), v


def perceptrons(
    dims: list[Dims], activations: Activations, vector_gate: bool
) -> list[VectorPerceptron]:
    """GVPs from each width to the next, the last one without activations."""
    last = len(dims) - 2
    return [
        VectorPerceptron(
            dims[number],
            dims[number + 1],
            activations=activations if number < last else (None, None),
            vector_gate=vector_gate,
        )
        for number in range(last + 1)
    ]


class GVPConv(nn.Module):
    """Mean over incoming edges of GVPs on [source, edge, target] (Jing et al. 2021, section 3).

    The linear maps of the first GVP are applied to the nodes before they meet on the edges.

    Args:
        node_dims: Scalars and vectors of a node.
        edge_dims: Scalars and vectors of an edge.
        num_perceptrons: GVPs of the message function.
        activations: Of all but the last GVP.
        vector_gate: See `VectorPerceptron`.
    """

    def __init__(
        self,
        node_dims: Dims,
        edge_dims: Dims,
        num_perceptrons: int,
        activations: Activations,
        vector_gate: bool,
    ) -> None:
        super().__init__()
        self.scalar_parts = (node_dims[0], edge_dims[0], node_dims[0])
        self.vector_parts = (node_dims[1], edge_dims[1], node_dims[1])
        dims = [(sum(self.scalar_parts), sum(self.vector_parts)), *[node_dims] * num_perceptrons]
        self.message_func = nn.ModuleList(perceptrons(dims, activations, vector_gate))

    def forward(self, x: Pair, edge_index: Tensor, edge: Pair) -> Pair:
        """Means ([N, s], [N, v, 3]) of the messages; zero for a node without incoming edges."""
        num_nodes, num_edges = len(x[0]), edge_index.shape[1]
        s, v = x[0].new_zeros(x[0].shape), x[1].new_zeros(x[1].shape)
        if torch.compiler.is_compiling() or num_edges <= CHUNK:
            # a compiled graph must not depend on the number of edges
            s, v = self._sums(x, edge_index, edge)
        else:
            for first in range(0, num_edges, CHUNK):
                part = slice(first, first + CHUNK)
                run = (x, edge_index[:, part], (edge[0][part], edge[1][part]))
                ds, dv = checkpoint(self._sums, *run, use_reentrant=False, preserve_rng_state=False)
                s, v = s + ds, v + dv
        count = segment_count(edge_index[1], num_nodes).clamp(min=1).unsqueeze(-1)
        return s / count, v / count.unsqueeze(-1)

    def _sums(self, x: Pair, edge_index: Tensor, edge: Pair) -> Pair:
        message = self._first(x, edge_index, edge)
        for perceptron in self.message_func[1:]:
            message = perceptron(message)
        s, v = (segment_sum(part, edge_index[1], len(x[0])) for part in message)
        return s, v

    def _first(self, x: Pair, edge_index: Tensor, edge: Pair) -> Pair:
        """The first GVP on the concatenation of source, edge and target."""
        gvp = self.message_func[0]
        assert isinstance(gvp, VectorPerceptron)
        assert gvp.wh is not None
        source, target = edge_index
        of_source, of_edge, of_target = gvp.wh.weight.split(self.vector_parts, dim=1)
        # not x[source]: its gradient is summed one by one
        hidden = (of_source @ x[1]).index_select(0, source) + of_edge @ edge[1]
        hidden = hidden + (of_target @ x[1]).index_select(0, target)
        parts = (*self.scalar_parts, hidden.shape[-2])
        of_source, of_edge, of_target, of_length = gvp.ws.weight.split(parts, dim=1)
        s = F.linear(x[0], of_source).index_select(0, source)
        s = s + F.linear(x[0], of_target, gvp.ws.bias).index_select(0, target)
        s = s + F.linear(edge[0], of_edge) + F.linear(clamped_square(hidden).sqrt(), of_length)
        return gvp.finish(s, hidden)


class GVPConvLayer(nn.Module):
    """Message passing and a pointwise feed-forward network, each with residual and norm.

    Args:
        node_dims: Scalars and vectors of a node.
        edge_dims: Scalars and vectors of an edge.
        num_message: GVPs of the message function.
        num_feedforward: GVPs of the feed-forward network.
        dropout: Dropout of both updates.
        activations: Scalar and vector activation; (ReLU, none) with the gate.
        vector_gate: See `VectorPerceptron`.
    """

    def __init__(
        self,
        node_dims: Dims,
        edge_dims: Dims,
        num_message: int = 3,
        num_feedforward: int = 2,
        dropout: float = 0.1,
        activations: Activations = (F.relu, None),
        vector_gate: bool = True,
    ) -> None:
        super().__init__()
        self.rate = dropout
        self.conv = GVPConv(node_dims, edge_dims, num_message, activations, vector_gate)
        self.norm = nn.ModuleList(PairNorm(node_dims) for _ in range(2))
        wide = (4 * node_dims[0], 2 * node_dims[1])
        dims = [node_dims, *[wide] * (num_feedforward - 1), node_dims]
        self.ff_func = nn.Sequential(*perceptrons(dims, activations, vector_gate))

    def forward(self, x: Pair, edge_index: Tensor, edge: Pair) -> Pair:
        """Node features ([N, s], [N, v, 3]) → the same."""
        x = self._add(0, x, self.conv(x, edge_index, edge))
        return self._add(1, x, self.ff_func(x))

    def _add(self, number: int, x: Pair, update: Pair) -> Pair:
        s, v = drop_pair(update, self.rate, self.training)
        return self.norm[number]((x[0] + s, x[1] + v))
