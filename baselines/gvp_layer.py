"""Geometric vector perceptrons, and message passing with them.

Jing et al., "Learning from Protein Structure with Geometric Vector Perceptrons", ICLR 2021; the
vector gate: Jing et al., "Equivariant Graph Neural Networks for 3D Macromolecular Structure", 2021,
arXiv 2106.03843. Features are pairs of scalars [..., s] and vectors [..., v, 3]; along edges the
components of vectors come first, [..., 3, v], so that linear maps are plain matrix products.
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


def components_first(v: Tensor) -> Tensor:
    """Vectors [..., v, 3] as [..., 3, v] in memory."""
    return v.transpose(-1, -2).contiguous()


def lengths(v: Tensor) -> Tensor:
    """Lengths [..., v] of vectors [..., 3, v], clamped as in `clamped_square`."""
    return v.square().sum(-2).clamp(min=SQUARE_FLOOR).sqrt()


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
        s, v = self.turned((x[0], components_first(x[1])))
        return s, v.transpose(-1, -2)

    def turned(self, x: Pair) -> Pair:
        """As `forward`, with the components of vectors first: [..., 3, v]."""
        s, v = x
        if self.wh is None:
            return self.finish(self.ws(s), v)
        hidden = self.wh(v)
        return self.finish(self.ws(torch.cat([s, lengths(hidden)], dim=-1)), hidden)

    def finish(self, s: Tensor, hidden: Tensor) -> Pair:
        """The output of ``s_0`` and ``V_h`` [..., 3, hidden], with components first too."""
        if self.wv is None:
            v = s.new_zeros(*s.shape[:-1], 3, self.out_dims[1])
        else:
            v = self._scaled(s, self.wv(hidden))
        return (self.scalar_activation(s) if self.scalar_activation else s), v

    def _scaled(self, s: Tensor, v: Tensor) -> Tensor:
        """Output vectors times their factors."""
        activation = self.vector_activation
        if self.wsv is not None:
            return v * self.wsv(activation(s) if activation else s).sigmoid().unsqueeze(-2)
        return v * activation(lengths(v)).unsqueeze(-2) if activation else v


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
        x, edge = (x[0], components_first(x[1])), (edge[0], components_first(edge[1]))
        s, v = torch.zeros_like(x[0]), torch.zeros_like(x[1])
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
        return s / count, (v / count.unsqueeze(-1)).transpose(-1, -2)

    def _sums(self, x: Pair, edge_index: Tensor, edge: Pair) -> Pair:
        message = self._first(x, edge_index, edge)
        for perceptron in self.message_func[1:]:
            assert isinstance(perceptron, VectorPerceptron)
            message = perceptron.turned(message)
        s, v = message
        total = segment_sum(_side_by_side(s, v), edge_index[1], len(x[0]))
        return total[:, : s.shape[1]], total[:, s.shape[1] :].unflatten(1, v.shape[1:])

    def _first(self, x: Pair, edge_index: Tensor, edge: Pair) -> Pair:
        """The first GVP on the concatenation of source, edge and target."""
        gvp = self.message_func[0]
        assert isinstance(gvp, VectorPerceptron)
        assert gvp.wh is not None
        source, target = edge_index
        of_source, of_edge, of_target = gvp.wh.weight.split(self.vector_parts, dim=1)
        parts = (*self.scalar_parts, len(gvp.wh.weight))
        from_source, from_edge, from_target, from_length = gvp.ws.weight.split(parts, dim=1)
        # scalars and vectors of a node side by side: one copy to its edges, one sum back
        tables = (
            _side_by_side(F.linear(x[0], from_source), F.linear(x[1], of_source)),
            _side_by_side(F.linear(x[0], from_target, gvp.ws.bias), F.linear(x[1], of_target)),
        )
        # not table[source]: its gradient is summed one by one
        both = tables[0].index_select(0, source) + tables[1].index_select(0, target)
        s, hidden = both.split([gvp.out_dims[0], 3 * len(gvp.wh.weight)], dim=1)
        hidden = hidden.unflatten(1, (3, -1)) + F.linear(edge[1], of_edge)
        known = torch.cat([edge[0], lengths(hidden)], dim=1)
        return gvp.finish(s + F.linear(known, torch.cat([from_edge, from_length], 1)), hidden)


def _side_by_side(s: Tensor, v: Tensor) -> Tensor:
    return torch.cat([s, v.flatten(1)], dim=1)


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
