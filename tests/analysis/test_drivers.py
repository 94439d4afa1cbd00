from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.slow  # numba compiles anew what librosa imports
def test_librosa_can_be_used_where_numba_can_keep_nothing() -> None:
    # As in a read-only container without HOME.
    code = (
        "import numpy as np\n"
        "from numba.core import caching\n"
        "caching.CacheImpl._locator_classes = [caching.UserProvidedCacheLocator]\n"
        "from tfdeepviz.analysis import drivers, sound\n"
        "assert callable(sound.load_librosa().onset.onset_strength)\n"  # calling it would compile for 20 s
        "assert drivers.band_levels(np.ones(4_410, np.float32), [(40, 1_000)], floor_db=-80).size\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
