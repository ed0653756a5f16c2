"""Vectors in the place of node types, in every encoder: what is replaced, and what is refused."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hemenet_lab.embeddings import (
    StoredEmbeddings,
    embed_store,
    load_language_model,
    store_texts,
)
from hemenet_lab.encoders import Encoder, ResidueEmbedding, SequenceOnly
from hemenet_lab.graphs import GraphView, ProteinGraph, build_graph
from hemenet_lab.loading import ProteinMTDataModule, collate
from hemenet_lab.model import MultiTaskModule, entry_graphs
from hemenet_lab.structures import NUM_NODE_TYPES
from hemenet_lab.testing.symmetry import EncoderSuite
from tests.baselines.small import SMALL, small
from tests.store.entries import TASKS, random_entry
from tests.store.small_store import small_store, trainer

VIEWS = [
    GraphView(),
    GraphView(nodes="alpha"),
    GraphView(nodes="atom", k=0, radius=4.5, sequence_offsets=()),
    GraphView(crop=6.0),
]


class TestSequenceOnly(EncoderSuite):
    def encoder(self) -> Encoder:
        return SequenceOnly(8)


def built(encoder: Encoder, esm2: Path) -> MultiTaskModule:
    module = MultiTaskModule(encoder, node_input=ResidueEmbedding(str(esm2)))
    module.build(TASKS)
    return module.eval()


@pytest.mark.parametrize("view", VIEWS, ids=["residue", "alpha", "atom", "crop"])
def test_each_node_has_the_row_of_its_residue(view: GraphView) -> None:
    entry = random_entry(1, chains=(30, 12), ligand=3)
    polymer = int((entry.node_chain >= 0).sum())
    rows = np.arange(polymer, dtype=np.float16)[:, None]
    graph = build_graph(entry, view, residue_embedding=rows)
    plain = build_graph(entry, view)
    assert graph.edge_index.equal(plain.edge_index)
    found = graph.residue_embedding[graph.polymer_residue][:, 0].long()
    # a residue's number, told by its place in the store: its chain and its position there
    chain, position = entry.node_chain[:polymer], entry.sequence_index[:polymer]
    assert torch.equal(graph.polymer_chain, torch.from_numpy(chain.astype(np.int64))[found])
    assert torch.equal(
        graph.sequence_index[graph.polymer_node],
        torch.from_numpy(position.astype(np.int64))[found],
    )
    assert len(graph.residue_embedding) == len(found.unique())  # no rows of what is cut away


def test_batches_keep_the_rows_apart(esm2: Path) -> None:
    module = built(SequenceOnly(8), esm2)
    entries = [random_entry(seed, ligand=seed) for seed in range(4)]
    graphs = entry_graphs(module, entries)
    together = module.encoder(collate(graphs))
    alone = torch.cat([module.encoder(graph) for graph in graphs])
    torch.testing.assert_close(together, alone)
    from torch_geometric.data import Batch

    torch.testing.assert_close(module.encoder(Batch.from_data_list(graphs)), alone)


def test_residues_get_a_linear_of_their_embedding_and_ligands_a_learned_row(esm2: Path) -> None:
    module = built(SequenceOnly(8), esm2)
    entry = random_entry(0, ligand=3)
    [graph] = entry_graphs(module, [entry])
    linear, node_input = module.encoder.node_embedding.linear, module.node_input
    [rows] = load_language_model(node_input.name).of_entries([entry])
    ligand = node_input.ligand.weight[torch.from_numpy(entry.node_type[-3:].astype(np.int64))]
    want = linear(torch.cat([torch.from_numpy(rows).float(), ligand]))
    torch.testing.assert_close(module.encoder(graph), want)
    assert not [name for name, _ in module.named_parameters() if "esm" in name]  # it is frozen


@pytest.mark.parametrize("name", sorted(SMALL))
def test_every_encoder_of_the_zoo_reads_embeddings(name: str, esm2: Path) -> None:
    encoder = small(name)
    dims = {type(m) for m in encoder.modules()}
    assert nn.Embedding in dims
    module = built(encoder, esm2)
    graphs = entry_graphs(module, [random_entry(seed, ligand=4) for seed in range(2)])
    batch = collate(graphs)
    module.train()
    loss = sum(output.square().sum() for output in module(batch).values())
    loss.backward()
    [table] = module.node_input._tables
    assert table.linear.weight.grad.abs().sum() > 0
    assert module.node_input.ligand.weight.grad.abs().sum() > 0
    # the embedding is what it reads: another one gives other features
    module.eval()
    first = module.encoder(batch)
    batch.residue_embedding = batch.residue_embedding + 1
    assert not torch.allclose(first, module.encoder(batch))


class Mine(Encoder):
    """A user's own encoder, which knows nothing of embeddings."""

    def __init__(self, table: Any) -> None:
        super().__init__(GraphView(nodes="alpha", k=3), 8)
        self.inner = nn.ModuleDict({"table": table})

    def forward(self, graph: ProteinGraph) -> Tensor:
        return self.inner["table"](graph.node_type)


def test_a_user_s_own_encoder_needs_no_change(esm2: Path) -> None:
    module = built(Mine(nn.Embedding(NUM_NODE_TYPES, 8)), esm2)
    [graph] = entry_graphs(module, [random_entry(0)])
    assert module.encoder(graph).shape == (len(graph.pos), 8)


def test_what_cannot_be_replaced_is_told(esm2: Path) -> None:
    with pytest.raises(ValueError, match="Mine has no table of node types"):
        built(Mine(nn.Embedding(9, 4)), esm2)
    from baselines import GCN

    with pytest.raises(ValueError, match="with element_only nodes it has none"):
        built(GCN(hidden_dim=8, element_only=True), esm2)
    module = built(SequenceOnly(8), esm2)
    bare = build_graph(random_entry(0), module.encoder.view)
    with pytest.raises(ValueError, match="the graph has no embeddings by"):
        module.encoder(bare)
    [graph] = entry_graphs(module, [random_entry(0)])
    graph.residue_embedding = graph.residue_embedding[:, :3]
    with pytest.raises(ValueError, match="embeddings of 3 numbers"):
        module.encoder(graph)
    with pytest.raises(ValueError, match="let it look up graph"):
        module.encoder.node_embedding(graph.node_type)
    with pytest.raises(ValueError, match="gives 20 numbers per residue, not 7"):
        ResidueEmbedding(str(esm2), width=7)
    with pytest.raises(ValueError, match="is not known; set node_input's width"):
        ResidueEmbedding("someone/else", "a" * 40)


def test_loaders_read_the_file_and_say_what_makes_it(tmp_path: Path, esm2: Path) -> None:
    store = small_store(tmp_path / "store", 20)
    module = MultiTaskModule(SequenceOnly(8), node_input=ResidueEmbedding(str(esm2)))
    with pytest.raises(ValueError, match=f"make them with: hemenet data embed mine --model {esm2}"):
        module.node_input.stored(store, "mine")
    embed_store(store, load_language_model(module.node_input.name), store_texts(store))
    data = ProteinMTDataModule(str(store.path), batch_graphs=4)
    data.trainer = type("T", (), {"lightning_module": module, "overfit_batches": 0})()
    module._trainer = None
    data.setup()
    graph = data.dataset[3]
    want = StoredEmbeddings(store, module.node_input.name).of(store[3])
    assert np.array_equal(graph.residue_embedding.numpy(), want)


def test_a_fit_learns_and_its_checkpoint_names_the_language_model(
    tmp_path: Path, esm2: Path
) -> None:
    store = small_store(tmp_path / "store", 20)
    node_input = ResidueEmbedding(str(esm2))
    module = MultiTaskModule(SequenceOnly(8), node_input=node_input, lr_scheduler=None)
    embed_store(store, node_input.language_model(), store_texts(store))
    before = {name: value.clone() for name, value in module.named_parameters()}
    run = trainer(tmp_path, max_steps=2, limit_val_batches=0)
    run.fit(module, ProteinMTDataModule(str(store.path), batch_graphs=4))
    moved = [name for name, old in before.items() if not module.state_dict()[name].equal(old)]
    assert set(moved) == set(before)
    run.save_checkpoint(tmp_path / "a.ckpt")
    content = torch.load(tmp_path / "a.ckpt", weights_only=True)
    assert content["node_input"] == node_input.identity
    with pytest.raises(ValueError, match="trained with the language model another@1"):
        module.on_load_checkpoint({**content, "node_input": "another@1"})


def test_copies_read_their_own_vectors(esm2: Path) -> None:
    module = built(SequenceOnly(8), esm2)
    copy = deepcopy(module)  # as callbacks that average weights make one
    with torch.no_grad():
        copy.encoder.node_embedding.linear.bias += 1
    [graph] = entry_graphs(module, [random_entry(0)])
    torch.testing.assert_close(copy.encoder(graph), module.encoder(graph) + 1)
    assert copy.node_input._tables[0] is copy.encoder.node_embedding


def test_compiled_it_is_one_program(esm2: Path) -> None:
    encoder = SequenceOnly(8)
    node_input = ResidueEmbedding(str(esm2))
    node_input.attach(encoder)
    entry = random_entry(0, ligand=2)
    [rows] = node_input.computed([entry], torch.device("cpu"))
    graph = collate([build_graph(entry, encoder.view, residue_embedding=rows)])
    compiled = torch.compile(encoder, dynamic=True, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(graph), encoder(graph))
