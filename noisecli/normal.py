"""Quantiles of the normal distribution out of exactly rounded operations.

numpy's own logarithm changes its last bit with the features of the CPU; products, sums and square roots never do.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LN2, SQRT_HALF = 0.6931471805599453, 0.7071067811865476

# Numerator and denominator of each of the three ranges, constant first.
_CENTRE = (
    (
        3.3871328727963666080e0,
        1.3314166789178437745e2,
        1.9715909503065514427e3,
        1.3731693765509461125e4,
        4.5921953931549871457e4,
        6.7265770927008700853e4,
        3.3430575583588128105e4,
        2.5090809287301226727e3,
    ),
    (
        1.0,
        4.2313330701600911252e1,
        6.8718700749205790830e2,
        5.3941960214247511077e3,
        2.1213794301586595867e4,
        3.9307895800092710610e4,
        2.8729085735721942674e4,
        5.2264952788528545610e3,
    ),
)
_TAIL = (
    (
        1.42343711074968357734e0,
        4.63033784615654529590e0,
        5.76949722146069140550e0,
        3.64784832476320460504e0,
        1.27045825245236838258e0,
        2.41780725177450611770e-1,
        2.27238449892691845833e-2,
        7.74545014278341407640e-4,
    ),
    (
        1.0,
        2.05319162663775882187e0,
        1.67638483018380384940e0,
        6.89767334985100004550e-1,
        1.48103976427480074590e-1,
        1.51986665636164571966e-2,
        5.47593808499534494600e-4,
        1.05075007164441684324e-9,
    ),
)
_FAR_TAIL = (
    (
        6.65790464350110377720e0,
        5.46378491116411436990e0,
        1.78482653991729133580e0,
        2.96560571828504891230e-1,
        2.65321895265761230930e-2,
        1.24266094738807843860e-3,
        2.71155556874348757815e-5,
        2.01033439929228813265e-7,
    ),
    (
        1.0,
        5.99832206555887937690e-1,
        1.36929880922735805310e-1,
        1.48753612908506148525e-2,
        7.86869131145613259100e-4,
        1.84631831751005468180e-5,
        1.42151175831644588870e-7,
        2.04426310338993978564e-15,
    ),
)


def quantile(p: Floats) -> Floats:
    """Return the standard normal number below which a share p of the distribution lies, 0 < p < 1.

    Source: Wichura 1988, "Algorithm AS 241: The Percentage Points of the Normal Distribution", to 16 digits.
    """
    centred = p - 0.5
    result = centred * _ratio(_CENTRE, 0.180625 - centred * centred)
    tail = np.flatnonzero(np.abs(centred) > 0.425)
    radius = np.sqrt(-log(np.minimum(p[tail], 1 - p[tail])))
    near = radius <= 5
    size = np.where(near, _ratio(_TAIL, radius - 1.6), _ratio(_FAR_TAIL, radius - 5))
    result[tail] = np.where(centred[tail] < 0, -size, size)
    return result


def log(x: Floats) -> Floats:
    """Return the natural logarithm of positive numbers, within some units in the last place."""
    fraction, exponent = np.frexp(x)
    low = fraction < SQRT_HALF
    fraction, exponent = np.where(low, fraction * 2, fraction), exponent - low
    ratio = (fraction - 1) / (fraction + 1)
    square = ratio * ratio
    total = np.zeros_like(x)
    for term in range(23, 0, -2):
        total = total * square + 1 / term
    return np.asarray(exponent * LN2 + 2 * ratio * total, np.float64)


def _ratio(coefficients: tuple[Sequence[float], Sequence[float]], x: Floats) -> Floats:
    above, below = (_polynomial(side, x) for side in coefficients)
    return above / below


def _polynomial(coefficients: Sequence[float], x: Floats) -> Floats:
    total = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total *= x
        total += coefficient
    return total
