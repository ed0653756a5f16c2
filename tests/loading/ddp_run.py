"""Run by `test_ddp.py` with two processes: fit, resume in the middle of an epoch, evaluate."""

from __future__ import annotations

import sys
from pathlib import Path

from lightning.pytorch.callbacks import ModelCheckpoint

from hemenet_lab.loading.datamodule import ProteinMTDataModule
from tests.store.small_store import Recorder, trainer


def main(store: str, folder: Path) -> None:
    """Writes what each rank saw below ``folder``."""

    def data() -> ProteinMTDataModule:
        return ProteinMTDataModule(store, batch_graphs=3, num_workers=1)

    def run(name: str, **options: object) -> tuple[object, Recorder]:
        (folder / name).mkdir(parents=True, exist_ok=True)
        runner = trainer(
            folder,
            strategy="ddp",
            devices=2,
            max_epochs=2,
            limit_val_batches=0,
            # left at Lightning's default on purpose: the loaders must not depend on it
            use_distributed_sampler=True,
            **options,
        )
        return runner, Recorder(str(folder / name))

    saver = ModelCheckpoint(folder / "saved", "{step}", save_top_k=-1, every_n_train_steps=3)
    runner, model = run("straight", callbacks=[saver], enable_checkpointing=True)
    runner.fit(model, datamodule=data())
    runner, model = run("resumed")
    runner.fit(model, datamodule=data(), ckpt_path=folder / "saved" / "step=3.ckpt")
    runner, model = run("evaluated")
    runner.limit_val_batches = 1.0
    runner.validate(model, datamodule=data(), verbose=False)
    runner.test(model, datamodule=data(), verbose=False)
    runner.predict(model, datamodule=data())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
