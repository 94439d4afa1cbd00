from __future__ import annotations

from collections.abc import Callable

import pytest

from tfdeepviz.reports import formats


@pytest.mark.parametrize(
    ("text", "written"),
    [("-0.5 to -.1", "−0.5 to −.1"), ("PCA-10", "PCA-10"), ("1e-6", "1e-6"), ("a-b -", "a-b -"), ("2-3", "2-3")],
)
def test_numbers_get_a_minus_sign(text: str, written: str) -> None:
    assert formats.signed(text) == written


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (formats.count, 1_234, "1,234"),
        (formats.brief, 0.0000123456, "0.0000123"),
        (formats.brief, 2.0, "2"),
        (formats.digits, 0.0000123456, "0.0000123"),
        (formats.digits, 12_345.6, "12,346"),
        (formats.digits, 0.0, "0"),
        (formats.percent, -0.0001, "0%"),
        (formats.seconds, 0.96, "0.96 s"),
        (formats.clock, 61.239, "1:01.24"),
        (formats.size, 999_999, "1000 kB"),
        (formats.size, 1_250_000, "1.2 MB"),
    ],
)
def test_numbers_are_written_for_people(write: Callable[[float], str], value: float, text: str) -> None:
    assert write(value) == text
