"""Puts `webapp/` into the package as `tfdeepviz.webapp`; setup.cfg has everything else."""

from __future__ import annotations

from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

STATIC = Path(__file__).parent / "webapp" / "static"


class BuildWithFrontEnd(build_py):
    """Refuses to build a package without the page; an editable installation serves it once it is built."""

    def run(self) -> None:
        """Copy the modules and data files."""
        if not self.editable_mode and not (STATIC / "index.html").is_file():
            raise SystemExit(f"{STATIC}: the front end is not built; run `make wheel`, or `make build` first")
        super().run()


setup(
    packages=[*find_packages(include=["tfdeepviz", "tfdeepviz.*"]), "tfdeepviz.webapp"],
    package_dir={"tfdeepviz.webapp": "webapp"},
    cmdclass={"build_py": BuildWithFrontEnd},
)
