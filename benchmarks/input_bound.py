"""Whether training waits for data: step time with the real pipeline over step time with one constant batch.

Both train the same model in one process and take turns. A ratio of 1 means that every batch was there when it was
needed; on a CPU the pipeline also takes its share of the cores that train, which this counts as well.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import keras
import tensorflow as tf

from benchmarks.corpus import add_corpus_argument, corpus
from tfdeepviz.data.augment import Augmentation
from tfdeepviz.data.features import Features
from tfdeepviz.data.prepare import prepare
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.scaler import SegmentScaler
from tfdeepviz.data.selection import Selection
from tfdeepviz.models.autoencoder import Autoencoder
from tfdeepviz.models.presets import load_preset
from tfdeepviz.params import LIVE


class StepTimes(keras.callbacks.Callback):  # type: ignore[misc]  # Keras is not typed
    """Seconds from each batch's end to the next one's: waiting for data is part of it."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._last: float | None = None

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Note the time."""
        now = time.perf_counter()
        if self._last is not None:
            self.seconds.append(now - self._last)
        self._last = now


def measure(dataset: PreparedDataset, preset_name: str, n_steps: int, n_rounds: int, augmented: bool) -> None:
    preset = load_preset(preset_name)
    scaler = SegmentScaler(preset.scaler)
    scaler.adapt(dataset.statistics())
    model = Autoencoder(**{"input_size": dataset.features.segment_shape[:2], **preset.model})
    model.build()
    model.compile(keras.optimizers.SGD(1e-4), loss="mse")
    augmentation = Augmentation() if augmented else None

    def real(seed: int) -> tf.data.Dataset:
        batches = dataset.segments("training", batch_size=preset.batch_size, seed=seed, augmentation=augmentation)
        return batches.map(scaler.function()).map(lambda x: (x, x)).repeat()

    constant = tf.data.Dataset.from_tensors(next(iter(real(0)))).cache().repeat()
    seconds: dict[str, list[float]] = {"pipeline": [], "constant": []}
    for number in range(n_rounds + 1):  # the first one warms up
        for name, batches in (("pipeline", real(number)), ("constant", constant)):
            times = StepTimes()
            model.fit(batches, steps_per_epoch=n_steps, verbose=0, shuffle=False, callbacks=[times])
            if number:
                # The first steps fill the shuffle buffer; a run does so once an epoch, in the background.
                seconds[name] += times.seconds[n_steps // 5 :]
    step = {name: median(times) for name, times in seconds.items()}
    mean = {name: sum(times) / len(times) for name, times in seconds.items()}
    print(
        f"{preset_name}{' with augmentation' if augmented else ''}: a step of {preset.batch_size} takes "
        f"{1e3 * step['pipeline']:.1f} ms with the pipeline, {1e3 * step['constant']:.1f} ms with a constant; ratio of "
        f"medians {step['pipeline'] / step['constant']:.3f}, of means {mean['pipeline'] / mean['constant']:.3f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_corpus_argument(parser)
    parser.add_argument("--preset", default="ae-shared-compact")
    parser.add_argument("--steps", type=int, default=40, help="steps in a round")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with corpus(args.fma_root) as (root, _), tempfile.TemporaryDirectory() as folder:
        dataset = prepare(root, Path(folder) / "ds", selection=Selection(), features=Features(LIVE))
        for augmented in (False, True):
            measure(dataset, args.preset, args.steps, args.rounds, augmented)


if __name__ == "__main__":
    main()
