"""Every encoder of the zoo: trains through the shared module, memorises, and fits every readout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch_geometric.data import Batch

from hemenet_lab.encoders.base import Encoder
from hemenet_lab.graphs.build import build_graph
from hemenet_lab.graphs.graph import ProteinGraph
from hemenet_lab.graphs.view import GraphView
from hemenet_lab.loading.datamodule import ProteinMTDataModule
from hemenet_lab.model.module import MultiTaskModule
from hemenet_lab.model.readout import Readout
from hemenet_lab.store.fields import ATOM_FIELDS, NODE_FIELDS
from hemenet_lab.store.reader import StoreWriter
from hemenet_lab.tasks import EC, LBA, PPA
from hemenet_lab.testing.compare import features, prepare
from hemenet_lab.testing.random_graphs import cast, random_entry, random_graphs
from hemenet_lab.testing.robustness import assert_handles, assert_trainable
from tests.baselines.graphs import CONFIGS, count_parameters, from_config
from tests.baselines.small import SMALL, small
from tests.fits import AFFINITIES, check_training, memorise

OTHER_SIZES = ("hemenet_small", "hemenet_plus", "hemenet_plus_small", "gvp_atom", "schnetpack")
PRETRAINED = ("esm2", "esm2_hemenet", "esm2_lora", "proteinmpnn")
"""Configs without a comparable size."""
NEAR_ZERO = 0.02
"""Sum of both mean squared errors, pKd²: both together are 0.14 pKd off, or less."""


@pytest.fixture(params=SMALL)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_no_encoder_of_the_configs_is_left_out() -> None:
    assert {path.stem for path in CONFIGS.glob("*.yaml")} == {*SMALL, *OTHER_SIZES, *PRETRAINED}
    assert {path.stem for path in CONFIGS.glob("comparable/*.yaml")} == set(SMALL)


# --- training through the shared module ----------------------------------------------------------


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("tasks", [None, ["ec"]], ids=["multi-task", "single-task"])
def test_trains(
    name: str, tasks: list[str] | None, precision: str, tiny_store: Path, tmp_path: Path
) -> None:
    data = ProteinMTDataModule(str(tiny_store))
    module = check_training(small(name), data, tmp_path, tasks, precision)
    assert len(module.tasks) == (1 if tasks else 6)


# --- memorising ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def eight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four complexes with a ligand and four of two chains, with affinities from 4 to 8 pKd."""
    path = tmp_path_factory.mktemp("eight") / "store"
    with StoreWriter(path, (LBA, PPA)) as writer:
        for seed in range(8):
            task = AFFINITIES[seed // 4]
            shape = {"residues": (20,)} if task == "lba" else {"residues": (16, 12)}
            entry = random_entry(seed, ligand_atoms=8 if task == "lba" else 0, **shape)
            writer.add(replace(entry, values={task: [6.0, 4.0, 8.0, 5.0][seed % 4]}))
        writer.set_split("default", {f"random-{seed}": "train" for seed in range(8)})
    return path


def test_overfits_8_complexes(name: str, eight: Path, tmp_path: Path) -> None:
    losses = memorise(small(name), eight, tmp_path, limit=NEAR_ZERO, epochs=120).losses
    assert losses[0] > 4.0, "a constant leaves the variance of the labels, 4.4"
    assert losses[-1] < NEAR_ZERO, losses[::10]


class Constant(Encoder):
    """The same features for whatever structure."""

    def __init__(self) -> None:
        super().__init__(from_config("gearnet.yaml", **SMALL["gearnet"]).view, 8)
        self.features = torch.nn.Parameter(torch.zeros(8))

    def forward(self, graph: ProteinGraph) -> torch.Tensor:
        return self.features.expand(len(graph.pos), -1)


def test_an_encoder_without_eyes_does_not_overfit(eight: Path, tmp_path: Path) -> None:
    losses = memorise(Constant(), eight, tmp_path, limit=NEAR_ZERO, epochs=60).losses
    assert min(losses) > 4.0


# --- odd structures ------------------------------------------------------------------------------


def lone_atom(view: GraphView) -> ProteinGraph:
    """A single ligand atom: no chain, no edge."""
    whole = random_entry(0, residues=(1,), ligand_atoms=1)
    last = {field.name: getattr(whole, field.name)[-1:] for field in (*NODE_FIELDS, *ATOM_FIELDS)}
    return cast(build_graph(replace(whole, chain_names=(), **last), view), torch.float64)


def test_a_lone_atom(name: str) -> None:
    torch.manual_seed(0)
    encoder = prepare(small(name))
    graph = lone_atom(encoder.view)
    assert (len(graph.pos), graph.edge_index.shape[1], graph.num_chains) == (1, 0, 0)
    assert features(encoder, graph).shape == (1, encoder.out_dim)
    assert_handles(encoder, graph, random_graphs(encoder.view)[:2])
    assert_trainable(encoder, graph)


# --- readouts ------------------------------------------------------------------------------------


def test_every_readout_fits(name: str) -> None:
    encoder = small(name).eval()
    batch = Batch.from_data_list(random_graphs(encoder.view, dtype=torch.float32))
    readouts = Readout.__subclasses__()
    assert len(readouts) >= 4
    for readout in readouts:
        module = MultiTaskModule(encoder, readout=readout)
        module.build([LBA, PPA, EC.with_terms(["1.1.1.1", "2.1.1.1", "3.1.1.1"])])
        with torch.no_grad():
            outputs = module.eval()(batch)
        assert {key: tuple(value.shape) for key, value in outputs.items()} == {
            "lba": (3, 1),
            "ppa": (3, 1),
            "ec": (int(batch.num_chains.sum()), 3),
        }
        assert all(bool(value.isfinite().all()) for value in outputs.values())


# --- sizes ---------------------------------------------------------------------------------------


def test_comparable_sizes(name: str) -> None:
    parameters = count_parameters(from_config(f"comparable/{name}.yaml"))
    assert abs(parameters / 2.0e6 - 1) < 0.06, parameters


def test_comparable_encoders_work_on_the_published_graph_in_our_order(name: str) -> None:
    published, comparable = from_config(f"{name}.yaml"), from_config(f"comparable/{name}.yaml")
    assert type(published) is type(comparable)
    ours = replace(published.view, k_filter="before", atom_offsets="same_slot")
    assert comparable.view == ours


def test_readme_states_the_sizes(name: str) -> None:
    text = (Path(__file__).parents[2] / "baselines" / "README.md").read_text(encoding="utf-8")
    (row,) = [
        line for line in text.splitlines() if line.startswith(f"| `{name}` |") and "→" in line
    ]
    *_, published, comparable, symmetry = [cell.strip() for cell in row.strip("|").split("|")]
    for cell, path in ((published, f"{name}.yaml"), (comparable, f"comparable/{name}.yaml")):
        encoder = from_config(path)
        assert cell.endswith(f"→ {encoder.out_dim}: {count_parameters(encoder):,}")
        assert symmetry == encoder.symmetry
