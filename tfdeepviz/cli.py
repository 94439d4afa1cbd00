"""The `tfdeepviz` command: parses, calls, prints. TensorFlow is imported only by the commands that need it."""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfdeepviz import __version__

if TYPE_CHECKING:
    from tqdm import tqdm

_EPILOG = """\
from music to a model in the browser:
  tfdeepviz demo-corpus data/demo
  tfdeepviz prepare --fma-root data/demo --out data/demo-live
  tfdeepviz train ae-shared-compact --dataset data/demo-live --out runs/demo
  tfdeepviz export runs/demo --out build/ae-demo --name ae-demo
  tfdeepviz push build/ae-demo --registry webapp/registry
  make play
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 2 for what the user can mend, 130 when interrupted."""
    args = _parser().parse_args(arguments)
    # TensorFlow reads this when it is imported, which the commands do.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore", module=r"(tensorflow|tensorflowjs|tensorflow_hub|jax|flax|keras)\b")
    warnings.filterwarnings("ignore", message=".*pkg_resources.*")
    try:
        args.command(args)
    except KeyboardInterrupt:
        print(
            "\ntfdeepviz: stopped; `prepare` and `train` go on where they were when you run them again", file=sys.stderr
        )
        return 130
    except Exception as error:
        if not _is_for_the_user(error):
            raise
        print(f"tfdeepviz: error: {error}", file=sys.stderr)
        return 2
    return 0


def _is_for_the_user(error: Exception) -> bool:
    """Whether the message alone tells what to do: our typed errors, refused values and the file system's own."""
    return isinstance(error, ValueError | OSError | ArithmeticError) or type(error).__module__.startswith("tfdeepviz.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tfdeepviz",
        description="Music visualisation driven by deep audio features: prepare data, train encoders, export them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tfdeepviz {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str, command: Callable[[argparse.Namespace], None], text: str, details: str
    ) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name, help=text, description=details, formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        sub.set_defaults(command=command)
        return sub

    cores = os.cpu_count() or 1
    demo = add(
        "demo-corpus",
        _demo_corpus,
        "compose and render a small corpus in FMA's layout",
        "Compose and render a corpus of our own in FMA's layout: eight genres, several artists a genre, seeded.",
    )
    demo.add_argument("out", type=Path, metavar="DIR", help="folder to make; resumes if it was begun")
    demo.add_argument("--tracks", type=int, default=64, help="how many tracks")
    demo.add_argument("--seconds", type=float, default=30.0, help="length of each track")
    demo.add_argument("--seed", type=int, default=0, help="another seed is other music")
    demo.add_argument("--workers", type=int, default=cores, help="processes that render")

    prepare = add(
        "prepare",
        _prepare,
        "decode FMA into a prepared dataset",
        "Decode a subset of FMA (or of a corpus in its layout) into TFRecord shards of MFCC frames with a manifest. "
        "Files that cannot be read are skipped and listed with the reason. Run again to resume.",
    )
    prepare.add_argument(
        "--fma-root", type=Path, required=True, metavar="DIR", help="folder with fma_metadata/ and fma_SUBSET/"
    )
    prepare.add_argument("--subset", default="small", choices=("small", "medium", "large", "full"), help="FMA's subset")
    prepare.add_argument(
        "--params",
        default="live",
        choices=("live", "paper"),
        help="MFCC parameters: `live` has a fixed floor, `paper` one 80 dB below each track's peak",
    )
    prepare.add_argument("--out", type=Path, required=True, metavar="DATASET", help="folder of the dataset")
    prepare.add_argument("--workers", type=int, default=cores, help="threads that decode")

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

    export = add(
        "export",
        _export,
        "write a run as a bundle for the browser",
        "Write a bundle: TensorFlow.js graphs of front end and encoder, fitted mappings, and golden values of every "
        "stage. A run whose encoding is collapsed is refused.",
    )
    export.add_argument("run", type=Path, metavar="RUN", help="made by `tfdeepviz train`")
    export.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="folder to make")
    export.add_argument(
        "--quantize",
        default="float16",
        choices=("none", "float16", "uint8"),
        help="how the browser's kernels are stored",
    )
    export.add_argument("--name", help="name in a registry; by default the preset's")

    push = add(
        "push",
        _push,
        "publish a bundle in a registry",
        "Check a bundle and copy it into a registry under the next version of its name, all or nothing.",
    )
    push.add_argument("bundle", type=Path, metavar="BUNDLE", help="made by `tfdeepviz export`")
    push.add_argument("--registry", type=Path, default=Path("webapp/registry"), help="folder of the registry")

    extract = add(
        "extract",
        _extract,
        "encodings and visual parameters of a track",
        "Run a bundle on one track: times, encodings and the ten visual parameters, as the browser computes them.",
    )
    extract.add_argument("track", type=Path, metavar="TRACK", help="mp3, ogg, flac, wav; m4a where ffmpeg is installed")
    extract.add_argument(
        "--bundle", type=Path, required=True, help="made by `tfdeepviz export`, or a version in a registry"
    )
    extract.add_argument("--out", type=Path, required=True, metavar="FILE", help="ends in .json, .npz or .csv")
    extract.add_argument("--hop-seconds", type=float, help="time between encodings; by default the encoder's window")
    extract.add_argument("--mode", choices=("features", "across"), help="scaling; by default the bundle's")
    extract.add_argument("--method", choices=("standard", "minmax"), help="scaling; by default the bundle's")
    extract.add_argument("--max-seconds", type=float, default=1_800.0, help="refuse longer tracks")
    return parser


def _preset_files() -> list[str]:
    # Without importing tfdeepviz.models, which needs no TensorFlow today but is not promised not to.
    return sorted(path.stem for path in (Path(__file__).parent / "models" / "presets").glob("*.json"))


def _bar(total: int | None, **options: Any) -> tqdm[Any]:
    from tqdm import tqdm

    return tqdm(total=total, dynamic_ncols=True, **options)


def _at_least_one(name: str, value: int | None) -> None:
    if value is not None and value < 1:
        raise ValueError(f"--{name} {value}: give at least 1")


def _demo_corpus(args: argparse.Namespace) -> None:
    from tfdeepviz.data.demo import render_corpus

    _at_least_one("tracks", args.tracks)
    _at_least_one("workers", args.workers)
    started = time.monotonic()
    with _bar(args.tracks, unit="track", desc="rendering") as bar:
        render_corpus(
            args.out,
            n_tracks=args.tracks,
            seed=args.seed,
            duration_seconds=args.seconds,
            n_workers=args.workers,
            progress=lambda done, total: _advance(bar, done),
        )
    print(f"{args.out}: {args.tracks} tracks in FMA's layout, {time.monotonic() - started:.0f} s")


def _advance(bar: tqdm[Any], done: int) -> None:
    bar.update(done - bar.n)


def _prepare(args: argparse.Namespace) -> None:
    from tfdeepviz.data.dataset import prepare
    from tfdeepviz.data.fma import SPLITS
    from tfdeepviz.params import AUDIO_PRESETS

    _at_least_one("workers", args.workers)
    with _bar(None, unit="track", desc="preparing") as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            _advance(bar, done)

        dataset = prepare(
            args.fma_root,
            args.out,
            subset=args.subset,
            params=AUDIO_PRESETS[args.params],
            n_workers=args.workers,
            progress=progress,
        )
    for split in SPLITS:
        print(f"{split:>10}: {dataset.n_tracks(split):6d} tracks, {dataset.n_segments(split):8d} segments")
    if dataset.skipped:
        print(f"{'skipped':>10}: {len(dataset.skipped):6d} tracks, listed in {args.out / 'manifest.json'}:")
        for entry in dataset.skipped[:10]:
            print(f"{'':12}{entry['track_id']} ({entry['reason']}): {entry['message']}")
        if len(dataset.skipped) > 10:
            print(f"{'':12}and {len(dataset.skipped) - 10} more")
    print(f"{args.out}: {dataset.digest}")


def _train(args: argparse.Namespace) -> None:
    from dataclasses import replace

    from tfdeepviz.data.dataset import PreparedDataset
    from tfdeepviz.models.presets import load_preset
    from tfdeepviz.models.training import EpochProgress, train

    class Bars(EpochProgress):
        bar: tqdm[Any]

        def start_epoch(self, epoch: int, n_epochs: int, n_steps: int) -> None:
            self.bar = _bar(n_steps, unit="batch", desc=f"epoch {epoch}/{n_epochs}")

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

    _at_least_one("epochs", args.epochs)
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


def _export(args: argparse.Namespace) -> None:
    from tfdeepviz.export.exporter import export_bundle
    from tfdeepviz.models.training import Run

    bundle = export_bundle(Run.load(args.run), args.out, name=args.name, quantization=args.quantize)
    size = sum(entry["bytes"] for entry in bundle.manifest["files"].values())
    print(f"{bundle.path}: bundle {bundle.label}, {size / 1e6:.2f} MB, {args.quantize}")


def _push(args: argparse.Namespace) -> None:
    from tfdeepviz.export.push import push

    target = push(args.bundle, args.registry)
    print(f"{target}: pushed as {target.parent.name}/{target.name}")


def _extract(args: argparse.Namespace) -> None:
    from tfdeepviz.export.bundle import Bundle
    from tfdeepviz.export.extract import FORMATS, Extractor, write_analysis

    if args.out.suffix not in FORMATS:
        raise ValueError(f"--out {args.out}: has to end in {', '.join(FORMATS)}")
    bundle = Bundle.load(args.bundle)
    analysis = Extractor(bundle).extract(
        args.track, hop_seconds=args.hop_seconds, mode=args.mode, method=args.method, max_seconds=args.max_seconds
    )
    write_analysis(analysis, args.out, bundle=bundle)
    print(f"{args.out}: {len(analysis.times)} encodings of {analysis.encoding.shape[1]} by {bundle.label}")


if __name__ == "__main__":
    sys.exit(main())
