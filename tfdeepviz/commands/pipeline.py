"""The command that runs all steps: pipeline."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from tfdeepviz.commands.common import Bars, EpochBars, duration
from tfdeepviz.pipeline_config import Config


def pipeline(args: argparse.Namespace) -> None:
    """Run the steps of a configuration."""
    config = Config.load(args.config)
    from tfdeepviz.pipeline import PipelineProgress, run_pipeline

    class Progress(EpochBars, PipelineProgress):
        working = Bars()

        def skip(self, step: str, result: Path, made_by: str | None) -> None:
            print(f"{step}: nothing has changed: {_shown(result)}", flush=True)
            if made_by is not None:
                print(f"  made by other code ({made_by}); --redo {shlex.quote(step)} makes it again", flush=True)

        def keep(self, step: str, old: Path) -> None:
            print(f"  its earlier result is kept: {_shown(old)}", flush=True)

        def begin(self, step: str, reason: str) -> None:
            # The time left in one training must not be estimated from another.
            self.first = 0
            print(f"{step}: {reason}", flush=True)

        def advance(self, what: str, done: int, total: int) -> None:
            self.working(what, done, total)
            if done >= total:
                self.working.close()  # the bar must not count the time of what follows

        def say(self, what: str) -> None:
            self.working.close()
            print(f"  {what}", flush=True)

        def end(self, step: str, seconds: float, summary: str, result: Path) -> None:
            self.working.close()
            print(f"{step}: done in {duration(seconds)}: {summary}: {_shown(result)}", flush=True)

        def refuse(self, step: str, reason: str) -> None:
            self.working.close()
            print(f"{step}: {reason}", flush=True)

    run_pipeline(config, redo=args.redo, dry_run=args.dry_run, progress=Progress())


def _shown(path: Path) -> Path:
    """Shorten paths below the working directory."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
