"""Commands about models: train."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfdeepviz.commands.common import Add, at_least_one, bar

if TYPE_CHECKING:
    from tqdm import tqdm


def register(add: Add) -> None:
    """Add the commands."""
    train = add(
        "train",
        _train,
        "train a preset on a prepared dataset",
        "Train a preset. Stop it at any time: the same command resumes after the last whole epoch. RUN receives the "
        "configuration, history, learning curve, metrics beside simple baselines, and the encoder.",
    )
    train.add_argument("preset", metavar="PRESET", help=f"{', '.join(_preset_files())}, or a .json file of your own")
    train.add_argument("--dataset", type=Path, required=True, help="made by `tfdeepviz prepare`")
    train.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder of the run")
    train.add_argument("--epochs", type=int, help="epochs in all; by default the preset's")
    train.add_argument("--seed", type=int, default=0, help="of initialisation, shuffling and dropout")


def _preset_files() -> list[str]:
    # Without importing tfdeepviz.models, which needs no TensorFlow today but is not promised not to.
    return sorted(path.stem for path in (Path(__file__).parent.parent / "models" / "presets").glob("*.json"))


def _train(args: argparse.Namespace) -> None:
    from dataclasses import replace

    from tfdeepviz.data.dataset import PreparedDataset
    from tfdeepviz.models.presets import load_preset
    from tfdeepviz.models.training import EpochProgress, train

    class Bars(EpochProgress):
        bar: tqdm[Any]

        def start_epoch(self, epoch: int, n_epochs: int, n_steps: int) -> None:
            self.bar = bar(n_steps, unit="batch", desc=f"epoch {epoch}/{n_epochs}")

        def step(self, loss: float) -> None:
            self.bar.set_postfix(loss=f"{loss:.5f}", refresh=False)
            self.bar.update()

        def end_epoch(self, row: dict[str, float]) -> None:
            self.bar.set_postfix(
                loss=f"{row['loss']:.5f}",
                val=f"{row['val_loss']:.5f}",
                code=f"+{row['shuffle_rise']:.0%}",
                std=f"{row['min_encoding_std']:.2f}",
            )
            self.bar.close()

    at_least_one("epochs", args.epochs)
    preset = load_preset(args.preset)
    if args.epochs is not None:
        preset = replace(preset, epochs=args.epochs)
    run = train(preset, PreparedDataset.load(args.dataset), args.out, seed=args.seed, progress=Bars())
    print(f"{'split':>10} {'MSE':>9} {'mean':>9} {'PCA':>9} {'codes exchanged':>16} {'smallest std':>13}")
    for split, measured in run.metrics().items():
        print(
            f"{split:>10} {measured['mse']:9.5f} {measured['mean_mse']:9.5f} {measured['pca_mse']:9.5f} "
            f"{measured['shuffle_rise']:+16.1%} {min(measured['encoding_std']):13.3f}"
        )
    print(f"{run.path}: encoder.keras, history.csv, learning_curve.png, metrics.json")
