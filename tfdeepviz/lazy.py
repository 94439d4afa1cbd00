"""Packages that take long to import, imported when they are first used: commands check their inputs before."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["keras", "pd", "tf", "tfio"]

if TYPE_CHECKING:
    import keras
    import pandas as pd
    import tensorflow as tf
    import tensorflow_io as tfio
else:

    class _Lazy(ModuleType):
        def __getattr__(self, name: str) -> Any:
            return getattr(import_module(self.__name__), name)

    keras, pd, tf, tfio = map(_Lazy, ("keras", "pandas", "tensorflow", "tensorflow_io"))
