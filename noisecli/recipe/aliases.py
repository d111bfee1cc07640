"""Names that are no ops of their own, but an op with a fixed parameter or mechanism: what to write instead."""

import re
from collections.abc import Sequence

from noisecli.corruption import Target
from noisecli.recipe.source import did_you_mean

ALIASES: dict[Target, dict[str, str]] = {
    "table": {
        "sentinel_date": "{op: disguised_missing}",
        "shift": "{op: date_shift}",
        "jitter": "{op: date_jitter}",
        "blank_column": "{op: missing, rate: 1}",
        "missing_block": "{op: blank_row, mechanism: {burst: {length: 20}}}",
        "temporal_dropout": "{op: missing, mechanism: {burst: {length: 20}}}",
        "signal_loss": "{op: constant, value: 0, rate: 0.1, mechanism: {burst: {length: 20}}}",
        "flatline": "{op: stuck, mechanism: {burst: {length: 20}}}",
        "gilbert_elliott": "{op: intermittent, mechanism: {burst: {length: 20}}}",
        "gap": "{op: drop, mechanism: {burst: {length: 20}}}",
        "variance_burst": "{op: gaussian_noise, rate: 0.1, mechanism: {burst: {length: 20}}}",
        "level_shift": "{op: offset, mechanism: {burst: {length: 100}}}",
        "saturation": "{op: clip, upper: q3}",
        "quantization": "{op: quantize}",
        "backlash": "{op: hysteresis}",
        "time_delay": "{op: lag}",
        "exponential_smoothing": "{op: low_pass}",
        "seasonal_shift": "{op: lag, delay: 12, rate: 0.1, mechanism: {burst: {length: 100}}}",
        "channel_swap": "{op: swap_columns, mechanism: {burst: {length: 20}}}",
        "channel_drop": "{op: feature_dropout, share: 1, rate: 0.1, mechanism: {clustered: device}}",
        "out_of_order": "{op: late_arrival, delay: 1}",
        "downsampling": "{op: change_sampling}",
        "timestamp_jitter": "{op: date_jitter, sigma: 1, unit: s}",
        "concept_drift": "{op: label_flip, kind: pair, rate: 1, mechanism: {window: {from: 5000}}}",
        "gradual_drift": "{op: label_flip, kind: pair, rate: 0.5, mechanism: {window: {from: 0, to: 9000, ramp: up}}}",
        "recurring_drift": "{op: label_flip, kind: pair, rate: 0.5, mechanism: {window: {period: 1000}}}",
        "prior_drift": "{op: prior_shift, shares: {fraud: 0.3}, mechanism: {window: {from: 5000}}}",
        "pink_noise": "{op: coloured_noise, color: pink}",
        "brown_noise": "{op: coloured_noise, color: brown}",
        "moving_average": "{op: smooth}",
        "rounding": "{op: quantize, digits: 2}",
        "salt_and_pepper": "{op: impulse}",
        "mean_imputation": "{op: impute_constant, value: mean}",
        "local_outlier": "{op: permute, rate: 0.01}",
        "swap_rows_field": "{op: permute, rate: 0.05}",
        "bootstrap": "{op: resample}",
        "subsample": "{op: drop, rate: 0.5}",
        "keyboard": "{op: typo, weights: {delete: 0, insert: 0, transpose: 0}}",
        "char_delete": "{op: typo, weights: {substitute: 0, insert: 0, transpose: 0}}",
        "char_insert": "{op: typo, weights: {substitute: 0, delete: 0, transpose: 0}}",
        "char_transpose": "{op: typo, weights: {substitute: 0, delete: 0, insert: 0}}",
    },
    "images": {
        "salt_and_pepper": "{op: impulse_noise}",
        "elastic_transform": "{op: elastic}",
        "periodic": "{op: periodic_noise}",
        "concentric_sine_waves": "{op: concentric_sine}",
        "single_frequency_greyscale": "{op: single_frequency}",
        "coarse_dropout": "{op: cutout, holes: 8, size: 0.1}",
        "grayscale": "{op: saturate, factor: 0, offset: 0}",
        "to_gray": "{op: saturate, factor: 0, offset: 0}",
        "poisson_noise": "{op: shot_noise}",
        "multiplicative_noise": "{op: speckle_noise}",
        "jpeg": "{op: jpeg_compression}",
        "image_compression": "{op: jpeg_compression}",
        "haze": "{op: fog}",
        "occlusion": "{op: cutout}",
    },
}
"""By target and name, as YAML; `columns` are to be added where the op strikes some."""


def written_as(name: str, target: Target) -> str | None:
    """Say what to write for such a name, after it; None: there is no such."""
    instead = ALIASES[target].get(name) or ALIASES[target].get(_as_here(name))
    return None if instead is None else f"no op is called {name!r}: write {instead}"


def nearest(name: str, ops: Sequence[str]) -> str:
    """Suggest the op that may be meant, after its name."""
    return did_you_mean(_as_here(name) if _as_here(name) in ops else name, ops)


def _as_here(name: str) -> str:
    """Spell a name of another package as ops are called here: `RandomSunFlare` becomes `sun_flare`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    return words.removeprefix("random_")
