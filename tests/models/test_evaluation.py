from __future__ import annotations

import pytest

from tfdeepviz.models.evaluation import CollapsedEncoderError, refuse_collapsed


def test_a_collapsed_encoder_is_named() -> None:
    alive = {"encoding_std": [0.2] * 10, "shuffle_rise": 0.5}
    refuse_collapsed({"validation": alive})
    with pytest.raises(CollapsedEncoderError, match=r"1 of 10 .*: 4;"):
        refuse_collapsed({"validation": {**alive, "encoding_std": [0.2] * 4 + [0.01] + [0.2] * 5}})
    with pytest.raises(CollapsedEncoderError, match="does not use"):
        refuse_collapsed({"training": {**alive, "shuffle_rise": 0.09}})
