"""SequenceOnly: nodes as they come in, for models that are to see no structure."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from hemenet_lab.encoders.base import Encoder
from hemenet_lab.graphs import GraphView, ProteinGraph
from hemenet_lab.structures import NUM_NODE_TYPES

LOOPS = GraphView(nodes="alpha", k=0, sequence_offsets=(0,))
"""A node per residue and ligand atom; its only edge is the one to itself."""


class SequenceOnly(Encoder):
    """First node features and nothing else: no message passes, and no coordinate is read.

    With ``node_input`` these are a Linear on the embeddings of a language model, the ESM2 row of
    HeMeNet's Table 1; without, a learned vector per type, whose readout knows the composition.

    Args:
        hidden_dim: Width of the features.
        view: The graph; its edges are not used.
    """

    paper = "Lin et al., Science 2023 (ESM2), as in HeMeNet's Table 1"

    def __init__(
        self,
        hidden_dim: int = 256,
        view: GraphView = LOOPS,
    ) -> None:
        super().__init__(view, hidden_dim)
        self.node_embedding = nn.Embedding(NUM_NODE_TYPES, hidden_dim)

    def forward(self, graph: ProteinGraph) -> Float[Tensor, "nodes {self.out_dim}"]:
        """Node features [N, hidden_dim]."""
        return self.node_embedding(graph.node_type)
