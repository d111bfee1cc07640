"""The only maker of random numbers.

Every draw is addressed: (seed, copy, step, purpose, column, path, block, slot) names one number, and nothing else
influences it. A block is 16,384 consecutive rows of one file; a generator always draws for the whole block, so the
number of a slot does not depend on how many rows there are, are read at once, or are struck.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast

import numpy as np
from numpy.random import SFC64, Generator, SeedSequence
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray

from noisecli.normal import log, quantile

FORMAT = 1
"""Version of the key derivation: part of every key, so that a change of it cannot go unnoticed."""

N = TypeVar("N", bound=np.generic)

BLOCK = 16_384
"""Rows that share one generator. Part of the output format: changing it changes every result."""

DESCRIPTION = {
    "bit_generator": "SFC64",
    "key": "blake2b-512 of the JSON array [format, seed, copy, step, purpose, column, path, block]",
    "format": FORMAT,
    "block": BLOCK,
}
"""What a manifest says of the randomness."""

FEISTEL_ROUNDS = 6

Purpose = Literal["strike", "value", "clone", "place", "partner", "pattern", "survey"]
Floats = NDArray[np.float64]
Words = NDArray[np.uint64]
Mask = NDArray[np.bool_]


class _Key(ISeedSequence):
    """Hands a digest to a bit generator: 2 us, where numpy's SeedSequence takes 11."""

    def __init__(self, digest: bytes) -> None:
        self._digest = digest

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> NDArray[Any]:
        little = np.dtype(dtype).newbyteorder("<")
        return np.frombuffer(self._digest, dtype=little)[:n_words].astype(dtype)


@dataclass(frozen=True)
class Stream:
    """The random numbers of one step in one copy of one file."""

    seed: int
    copy: int
    step: str
    path: str
    """Relative to the input, POSIX, NFC; "" for a single file, so that renaming it changes nothing."""

    def generator(self, purpose: Purpose, column: str, block: int) -> Generator:
        """Return the generator of one block; `column` is "" for what strikes whole rows or images."""
        address = [FORMAT, self.seed, self.copy, self.step, purpose, column, self.path, block]
        text = json.dumps(address, ensure_ascii=False, separators=(",", ":"))
        # Undecodable file names arrive as lone surrogates; they have to be keys too.
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=64)
        return Generator(SFC64(cast(SeedSequence, _Key(digest.digest()))))

    def words(self, purpose: str, column: str, names: Sequence[str]) -> Words:
        """Return one 64-bit word for each of some things that bear a name, the same in every file."""
        address = json.dumps([FORMAT, self.seed, self.copy, self.step, purpose, column])
        key = hashlib.blake2b(address.encode("utf-8", "surrogatepass"), digest_size=64).digest()
        found = (name.encode("utf-8", "surrogatepass") for name in names)
        digests = b"".join(hashlib.blake2b(name, digest_size=8, key=key).digest() for name in found)
        return np.frombuffer(digests, "<u8").astype(np.uint64)


class BlockDraws:
    """Raw random numbers for the struck slots of a block, one a slot and call; drawn for every slot of the block.

    The calls take no arguments and their order must not depend on data or strength: that is what makes a cell's draw
    the same at every severity. Everything else is a transform of these four.
    """

    def __init__(self, generator: Generator, struck: NDArray[np.intp]) -> None:
        self._generator = generator
        self._struck = struck

    def uniform(self) -> Floats:
        """Uniform on [0, 1)."""
        return self._of_struck(self._generator.random(BLOCK))

    def normal(self) -> Floats:
        """Standard normal."""
        return self._of_struck(self._generator.standard_normal(BLOCK))

    def exponential(self) -> Floats:
        """Standard exponential."""
        return self._of_struck(self._generator.standard_exponential(BLOCK))

    def bits(self) -> Words:
        """64 random bits."""
        return self._of_struck(raw_words(self._generator, BLOCK))

    def _of_struck(self, drawn: NDArray[N]) -> NDArray[N]:
        return drawn if len(self._struck) == BLOCK else drawn[self._struck]


class CounterDraws:
    """Draws by counter hash, for sites that a block has no fixed number of (words, clones, the rows of a series)."""

    def __init__(self, keys: Words) -> None:
        self._keys = keys
        self._calls = 0

    def uniform(self) -> Floats:
        return to_uniform(self.bits())

    def normal(self) -> Floats:
        """Standard normal, by its quantiles: 70 ns a number, where a generator takes 9."""
        # Half a step off the grid, so that neither 0 nor 1 can occur.
        return quantile(np.asarray(((self.bits() >> np.uint64(12)) + 0.5) * 2.0**-52, np.float64))

    def exponential(self) -> Floats:
        """Standard exponential."""
        return -log(np.asarray(((self.bits() >> np.uint64(12)) + 0.5) * 2.0**-52, np.float64))

    def bits(self) -> Words:
        self._calls += 1
        return scramble(self._keys, self._calls)


def word_of(text: str) -> int:
    """Hash a text into one 64-bit word."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def raw_words(generator: Generator, count: int) -> Words:
    """Return `count` words of 64 random bits."""
    return np.asarray(generator.bit_generator.random_raw(count), dtype=np.uint64)


def scramble(keys: Words | int, counters: NDArray[np.integer[Any]] | Sequence[int] | int) -> Words:
    """Hash keys with counters into fresh 64-bit words (the finaliser of SplitMix64, Steele, Lea and Flood 2014)."""
    with np.errstate(over="ignore"):
        step = (np.asarray(counters).astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        word = np.atleast_1d(np.asarray(keys, dtype=np.uint64) + step)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            word = (word ^ (word >> np.uint64(shift))) * np.uint64(factor)
        mixed: Words = word ^ (word >> np.uint64(31))
        return mixed


def to_uniform(words: Words) -> Floats:
    """Turn 64-bit words into floats on [0, 1) with 53 random bits."""
    return np.asarray((words >> np.uint64(11)) * 2.0**-53, dtype=np.float64)


def strike(generator: Generator, rate: float | Floats, slots: int = BLOCK) -> Mask:
    """Choose each of `slots` with probability `rate`; what a lower rate chooses, a higher one chooses too.

    A slot's uniform is one random byte, refined by a counter hash only where the byte ties with the rate: 1 ns a slot.
    """
    first = raw_words(generator, -(-slots // 8)).astype("<u8").view(np.uint8)[:slots]
    tie_key = int(raw_words(generator, 1)[0])
    whole = np.floor(np.multiply(rate, 256)).astype(np.int16)
    mask = first < whole
    ties = np.flatnonzero(first == whole)
    part = np.broadcast_to(np.multiply(rate, 256) - whole, (slots,))[ties]
    mask[ties] = to_uniform(scramble(tie_key, ties)) < part
    return mask


def permuted(keys: Words, places: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Map places 0 .. size - 1 onto themselves, each by the permutation that its key and size stand for.

    A Feistel network over the next power of four, walked until it is back inside: nothing but the place is needed, so
    a permutation of any size takes no memory. Source: Black and Rogaway 2002, "Ciphers with Arbitrary Finite Domains".

    Args:
        keys: one for all places, or one for each.
        places: (n,).
        sizes: (n,) how many places the permutation of each has; positive.
    """
    keys = np.broadcast_to(keys, places.shape)
    half = np.maximum(1, (np.frexp((sizes - 1).astype(np.float64))[1] + 1) // 2).astype(np.uint64)
    mask = (np.uint64(1) << half) - np.uint64(1)
    found = places.astype(np.uint64)
    walking = np.arange(len(places))
    while len(walking):
        left, right = found[walking] >> half[walking], found[walking] & mask[walking]
        for turn in range(FEISTEL_ROUNDS):
            mixed = scramble(scramble(keys[walking], turn) ^ right, turn)
            left, right = right, left ^ (mixed & mask[walking])
        found[walking] = (left << half[walking]) | right
        walking = walking[found[walking] >= sizes[walking].astype(np.uint64)]
    return found.astype(np.int64)


def uniform_choice(number: Any, uniform: Floats) -> Any:
    """Choose from 0 to number - 1, all alike; 0 where there is none."""
    return np.minimum((uniform * number).astype(np.intp), np.maximum(np.asarray(number) - 1, 0))
