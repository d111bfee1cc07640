"""The exponential function and the sine out of exactly rounded operations.

numpy's own changes its last bit with the features of the CPU; products, sums and powers of two never do.
"""

import math

import numpy as np

from noisecli.streams import Floats

LN2, LN10 = 0.6931471805599453, 2.302585092994046
"""Natural logarithms, written out: that of a mathematical library may differ in its last bit."""

TAU = 6.283185307179586
"""A turn in radians."""

_LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")  # so few bits that a product with an exponent of two is exact
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
_TERMS = 14


def exp(x: Floats) -> Floats:
    """Return e**x, within two units in the last place; infinity where that is too large."""
    inside = np.clip(x, -800.0, 800.0)
    halvings = np.rint(inside / LN2)
    rest = (inside - halvings * _LN2_HIGH) - halvings * _LN2_LOW
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(1.0 + rest * _mean_slope(rest), halvings.astype(np.int32))


def exp_slope(x: Floats) -> Floats:
    """Return (e**x - 1) / x for x of at least 0, which is 1 where x is 0."""
    small = x < 0.5
    return np.where(small, _mean_slope(np.where(small, x, 0.0)), (exp(x) - 1.0) / np.where(small, 1.0, x))


def _mean_slope(x: Floats) -> Floats:
    """Sum the series of (e**x - 1) / x, which needs no more terms while |x| < 0.5."""
    total = np.zeros_like(x)
    for term in range(_TERMS, 0, -1):
        total = total * x + 1 / math.factorial(term)
    return total


def sine(turns: Floats) -> Floats:
    """Return the sine of an angle in turns, within 3e-16."""
    place = turns - np.rint(turns)
    # The nearest quarter turn, and how far it is from there: at most an eighth of a turn, 0.79 radians.
    quarter = np.rint(4 * place)
    rest = (place - quarter / 4) * TAU
    square = rest * rest
    of_sine, of_cosine = np.zeros_like(rest), np.zeros_like(rest)
    for term in range(_TERMS + 3, 0, -2):
        of_sine = of_sine * -square + 1 / math.factorial(term)
        of_cosine = of_cosine * -square + 1 / math.factorial(term - 1)
    odd = quarter % 2 != 0
    size = np.where(odd, of_cosine, rest * of_sine)
    return np.where((quarter == 2) | (quarter == -2) | (quarter == -1), -size, size)
