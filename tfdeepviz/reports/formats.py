"""Numbers and times for people, as text; templates have all of these functions as filters."""

from __future__ import annotations

import math
import re

import numpy as np


def count(number: int) -> str:
    """Write a whole number."""
    return f"{number:,}"


def brief(value: float, n_digits: int = 3) -> str:
    """Write at most so many significant digits, without an exponent."""
    return np.format_float_positional(float(f"{value:.{n_digits}g}"), trim="-")


def digits(value: float) -> str:
    """Write at least three significant digits, without an exponent."""
    n_decimals = 2 - math.floor(math.log10(abs(value))) if value else 0
    return f"{value:,.{max(0, n_decimals)}f}"


def places(value: float, n: int) -> str:
    """Write n decimal places."""
    return f"{value:z,.{n}f}"


def percent(share: float, n: int = 0) -> str:
    """Write a share in per cent, with n decimal places."""
    return f"{share:z.{n}%}"


def seconds(value: float) -> str:
    """Write a duration."""
    return f"{value:.3g} s"


def clock(value: float) -> str:
    """Write minutes and seconds, with the hundredths that segments need."""
    hundredths = round(100 * value)
    return f"{hundredths // 6_000}:{hundredths % 6_000 / 100:05.2f}"


def size(n_bytes: int) -> str:
    """Write a number of bytes."""
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1_000_000 else f"{n_bytes / 1e3:.0f} kB"


def signed(text: str) -> str:
    """Give numbers the minus sign that is as wide as a plus, which a screen reader reads out."""
    return re.sub(r"(?<![\w-])-(?=[\d.])", "−", text)
