"""The command that runs all steps: pipeline."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfdeepviz.commands.common import Add, EpochBars, advance_of, bar, duration

if TYPE_CHECKING:
    from tqdm import tqdm


def register(add: Add) -> None:
    """Add the command."""
    pipeline = add(
        "pipeline",
        _pipeline,
        "run all steps, from a corpus to pushed bundles",
        "Run the steps that a TOML file configures (example: configs/demo.toml): index and prepare a corpus, train and "
        "distill, evaluate, fit mappings and export, validate and push. Only steps whose inputs have changed run "
        "again, and an interrupted pipeline resumes. Results that are replaced are renamed (runs/x.old-1), never "
        "deleted. Bundles that fail validation are not pushed.",
    )
    pipeline.add_argument("config", type=Path, metavar="CONFIG", help="configuration, a .toml file")
    pipeline.add_argument(
        "--redo", action="append", default=[], metavar="STEP", help="run this step again, such as 'train x'; repeatable"
    )
    pipeline.add_argument(
        "--dry-run", action="store_true", help="print which steps would run and why, without running them"
    )


def _pipeline(args: argparse.Namespace) -> None:
    from tfdeepviz.pipeline_config import Config

    config = Config.load(args.config)
    from tfdeepviz.pipeline import PipelineProgress, run_pipeline

    class Progress(EpochBars, PipelineProgress):
        working: tqdm[Any] | None = None

        def skip(self, step: str, result: Path, made_by: str | None) -> None:
            print(f"{step}: nothing has changed: {_shown(result)}", flush=True)
            if made_by is not None:
                print(f"  made by other code ({made_by}); --redo {shlex.quote(step)} makes it again", flush=True)

        def keep(self, step: str, old: Path) -> None:
            print(f"  what it made before is kept: {_shown(old)}", flush=True)

        def begin(self, step: str, reason: str) -> None:
            # The time left in one training must not be estimated from another.
            self.first = 0
            print(f"{step}: {reason}", flush=True)

        def advance(self, what: str, done: int, total: int) -> None:
            if self.working is None or self.working.desc.removesuffix(": ") != what:
                self._close()
                self.working = bar(None, desc=what)
            advance_of(self.working)(done, total)
            if done >= total:
                self._close()  # the bar must not count the time of what follows

        def say(self, what: str) -> None:
            self._close()
            print(f"  {what}", flush=True)

        def end(self, step: str, seconds: float, summary: str, result: Path) -> None:
            self._close()
            took = f"{seconds:.0f} s" if seconds < 90 else duration(seconds)
            print(f"{step}: done in {took}: {summary}: {_shown(result)}", flush=True)

        def refuse(self, step: str, reason: str) -> None:
            self._close()
            print(f"{step}: {reason}", flush=True)

        def _close(self) -> None:
            if self.working is not None:
                self.working.close()
            self.working = None

    run_pipeline(config, redo=args.redo, dry_run=args.dry_run, progress=Progress())


def _shown(path: Path) -> Path:
    """Shorten paths below the working directory."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
