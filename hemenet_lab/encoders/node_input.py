"""What an encoder sees of its nodes: their types, or vectors of a language model in their place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from hemenet_lab.embeddings import LanguageModel, ModelName, StoredEmbeddings, load_language_model
from hemenet_lab.encoders.base import Encoder
from hemenet_lab.graphs import ProteinGraph, ResidueRows
from hemenet_lab.store import Entry, Store, StoreError
from hemenet_lab.structures import CHEMISTRY, NUM_NODE_TYPES


class EntryVectors(Protocol):
    """Vectors of an entry's residues from somewhere."""

    path: Any

    def of(self, entry: Entry) -> ResidueRows: ...


class InputTable(nn.Module):
    """Takes the place of an encoder's table of node types: a Linear on the nodes' vectors.

    Args:
        width: Of the vectors.
        dim: Of the table's rows.
    """

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, dim)
        self.embedding_dim = dim
        self.vectors: Tensor | None = None
        """[R, width] of the batch that is computed."""
        self.row: Tensor | None = None
        """[N], row of each node in it."""

    def forward(self, node_type: Int64[Tensor, " nodes"]) -> Float[Tensor, "nodes dim"]:
        """First features of the nodes whose types would have been looked up, [N, dim]."""
        if self.vectors is None or self.row is None or len(self.row) != len(node_type):
            raise ValueError(
                f"an encoder looked up the types of {tuple(node_type.shape)} nodes where "
                f"{'no' if self.row is None else len(self.row)} vectors are known: call the "
                "encoder itself, and let it look up graph.node_type whole"
            )
        return self.linear(self.vectors.to(self.linear.weight.dtype)).index_select(0, self.row)


class NodeInput(nn.Module, ABC):
    """Vectors that take the place of node types, in any encoder, without a change to it.

    An encoder that looks up ``graph.node_type`` in a table (an `nn.Embedding` with a row for each
    of the node types) gets a Linear on these vectors instead of that table. Whatever else it knows
    of a node, such as element and entity, it goes on knowing.

    Args:
        width: Of the vectors.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self._tables: list[InputTable] = []

    @property
    @abstractmethod
    def identity(self) -> str:
        """What decides the vectors; kept in checkpoints."""

    @abstractmethod
    def vectors(
        self, graph: ProteinGraph
    ) -> tuple[Float[Tensor, "rows width"], Int64[Tensor, " nodes"]]:
        """Vectors [R, width], and the row of each node [N]."""

    @abstractmethod
    def stored(self, store: Store, shown: str = "") -> EntryVectors | None:
        """Vectors of a store's entries; None where graphs have all that is needed.

        Args:
            store: The entries.
            shown: What the store is called in messages.

        Raises:
            StoreError: There are none; says what makes them.
        """

    @abstractmethod
    def computed(
        self, entries: Sequence[Entry], device: torch.device
    ) -> Sequence[ResidueRows | None]:
        """Vectors of entries that are in no store, [residues, width] each."""

    def attach(self, encoder: Encoder) -> None:
        """Take the place of the encoder's tables of node types.

        Raises:
            ValueError: It has none.
        """
        found = [
            (parent, name, table)
            for parent in encoder.modules()
            for name, table in parent.named_children()
            if isinstance(table, nn.Embedding) and table.num_embeddings == NUM_NODE_TYPES
        ]
        if not found:
            raise ValueError(
                f"{type(encoder).__name__} has no table of node types (an nn.Embedding with "
                f"{NUM_NODE_TYPES} rows) whose place {type(self).__name__} could take; with "
                "element_only nodes it has none: set that to false, or leave node_input out"
            )
        for parent, name, table in found:
            place = InputTable(self.width, table.embedding_dim)
            setattr(parent, name, place)
            self._tables.append(place)
        encoder.register_forward_pre_hook(self._before)
        encoder.register_forward_hook(self._after, always_call=True)

    def _before(self, encoder: nn.Module, given: tuple[ProteinGraph, ...]) -> None:
        vectors, row = self.vectors(given[0])
        for table in self._tables:
            table.vectors, table.row = vectors, row

    def _after(self, encoder: nn.Module, given: Any, features: Any) -> None:
        for table in self._tables:
            table.vectors = table.row = None


class ResidueEmbedding(NodeInput):
    """Residues as a frozen protein language model sees them, ligand atoms by a learned table.

    Of a store, embeddings are made once by ``hemenet data embed``; for other structures they are
    computed as they are needed.

    Args:
        model: Name on the Hugging Face hub, such as ``facebook/esm2_t33_650M_UR50D``, or a folder.
        revision: Its commit; known for the four ESM2 models up to 650M. None for a folder.
        width: Numbers per residue, for models of the hub other than those.

    Raises:
        ValueError: No such folder, a model without a revision, or of unknown width.
    """

    def __init__(self, model: str, revision: str | None = None, width: int = 0) -> None:
        name = ModelName(model, revision)
        known = name.width
        if known and width not in (0, known):
            raise ValueError(f"{model} gives {known} numbers per residue, not {width}")
        if not (known or width):
            raise ValueError(
                f"how many numbers {model} gives per residue is not known; set node_input's width"
            )
        super().__init__(known or width)
        self.name = name
        self.ligand = nn.Embedding(NUM_NODE_TYPES, self.width)

    @property
    def identity(self) -> str:
        """Name and commit of the model, or the digest of its folder's files."""
        return self.name.identity

    def vectors(
        self, graph: ProteinGraph
    ) -> tuple[Float[Tensor, "rows width"], Int64[Tensor, " nodes"]]:
        """Embeddings of the residues, then the table of ligand atoms; see `NodeInput.vectors`."""
        rows, table = self.residues(graph), self.ligand.weight
        row = len(rows) + graph.node_type
        row = row.index_copy(0, graph.polymer_node, graph.polymer_residue)
        return torch.cat([rows.to(table.dtype), table]), row

    def residues(self, graph: ProteinGraph) -> Float[Tensor, "residues width"]:
        """Embeddings of the graph's residues, [R, width]."""
        rows: Tensor | None = getattr(graph, "residue_embedding", None)
        if rows is None:
            raise ValueError(
                f"the graph has no embeddings by {self.name.name}, which this model reads; make it "
                "with `entry_graphs`, or load it by the data module"
            )
        if rows.shape[1] != self.width:
            raise ValueError(
                f"the graph has embeddings of {rows.shape[1]} numbers, {self.name.name} gives "
                f"{self.width}"
            )
        return rows

    def stored(self, store: Store, shown: str = "") -> EntryVectors:
        """Embeddings by ``hemenet data embed``; see `NodeInput.stored`."""
        return StoredEmbeddings(store, self.name, shown)

    def computed(self, entries: Sequence[Entry], device: torch.device) -> Sequence[ResidueRows]:
        """Embeddings by the model itself; see `NodeInput.computed`.

        Raises:
            ValueError: `transformers` or the model's weights are not there.
        """
        return self.language_model(str(device)).of_entries(entries)

    def language_model(self, device: str = "cpu") -> LanguageModel:
        """The language model itself, loaded once in a process."""
        return load_language_model(self.name, device)


class LigandChemistry(NodeInput):
    """Node types, and of ligand atoms what RDKit tells of them beyond the element.

    Hybridisation, sign of the formal charge, aromatic, in a ring, donor and acceptor of hydrogen
    bonds, as yes or no; all no for residues, cofactors and molecules that RDKit does not accept.
    The store must be built with ``--ligand-chemistry``.
    """

    def __init__(self) -> None:
        super().__init__(NUM_NODE_TYPES + len(CHEMISTRY))

    @property
    def identity(self) -> str:
        """The facts that it reads, in their order."""
        return f"chemistry of ligand atoms: {', '.join(CHEMISTRY)}"

    def attach(self, encoder: Encoder) -> None:
        """Take the place of the tables of node types; see `NodeInput.attach`."""
        super().attach(encoder)
        encoder.view = replace(encoder.view, chemistry=True)

    def vectors(
        self, graph: ProteinGraph
    ) -> tuple[Float[Tensor, "rows width"], Int64[Tensor, " nodes"]]:
        """Node types as one of 30, then the facts, [N, width]; see `NodeInput.vectors`."""
        bits = getattr(graph, "chemistry", None)
        if bits is None:
            raise ValueError(
                "the graph has no chemistry of ligand atoms, which this model reads; make it in "
                "the view of its encoder"
            )
        kinds = nn.functional.one_hot(graph.node_type, NUM_NODE_TYPES)
        facts = (bits.unsqueeze(1) >> torch.arange(len(CHEMISTRY), device=bits.device)) & 1
        told = torch.cat([kinds, facts], dim=1).to(torch.get_default_dtype())
        return told, torch.arange(len(bits), device=bits.device)

    def stored(self, store: Store, shown: str = "") -> None:
        """Nothing: the store's own graphs have it; see `NodeInput.stored`."""
        if not store.has_chemistry:
            raise StoreError(
                f"{shown or store.path} does not keep the chemistry of ligand atoms, which "
                "node_input LigandChemistry reads; build it with --ligand-chemistry"
            )

    def computed(self, entries: Sequence[Entry], device: torch.device) -> list[None]:
        """Nothing: every structure's own graph has it."""
        return [None] * len(entries)
