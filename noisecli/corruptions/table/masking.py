"""Words and tokens that are hidden, or replaced by others."""

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field, model_validator

from noisecli.columns import Column
from noisecli.corruption import TextCorruption, register
from noisecli.corruptions.table.characters import RATES
from noisecli.corruptions.table.tokenizing import Tokenizer, tokenizer
from noisecli.corruptions.table.wordlists import WordTable, checked, replacements, word_list
from noisecli.streams import CounterDraws, Mask, uniform_choice
from noisecli.text import LETTER, Edits, Spans, Text, points_of

MASKED, RANDOM = 0.8, 0.9
"""Up to which uniform a struck word becomes the token, and up to which another word; the rest stay."""


@register
class WordMask(TextCorruption):
    """Replace words by a token that hides them, as language models are trained to guess.

    With `strategy: bert` 80 % of the struck words become the token, 10 % a random word of the vocabulary, and 10 %
    stay: the truth lists all of them, as `drawn`: {"sites": [[start, stop, what stands there now], ...]}, in code
    points of the text before.

    Source: Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding".

    Example:
        {op: word_mask, columns: [comment], rate: 0.15}
    """

    default_rate = 0.15
    severities = RATES

    unit: Literal["word", "token"] = "word"  # type: ignore[assignment]  # tokens are this op's own
    """What the rate is a share of: words, or the tokens of `tokenizer`."""

    tokenizer: str | None = None
    """File of a tokenizer of the package tokenizers, tokenizer.json; for `unit: token`. White space that belongs to a
    token stays, and what the tokenizer cannot tell apart is one token."""

    token: str = Field("[MASK]", min_length=1)
    """What hides a word."""

    strategy: Literal["all", "bert"] = "all"
    """all: every struck word becomes the token; bert: 80 % of them do."""

    vocabulary: str = "column"
    """Where random words come from, for `strategy: bert`, each as likely as the others. column: the words of the
    column's training rows, some 4096 of at most 256 characters, or the tokens of the tokenizer; else a file of UTF-8
    text with a word on each line."""

    @model_validator(mode="after")
    def _fits(self) -> "WordMask":
        if (self.unit == "token") != (self.tokenizer is not None):
            raise ValueError("`unit: token` and `tokenizer` go together")
        if self.strategy == "all" and "vocabulary" in self.model_fields_set:
            raise ValueError("`vocabulary` is of `strategy: bert`")
        return self

    def needs(self) -> frozenset[str]:
        own = self.strategy == "bert" and self.vocabulary == "column" and self.unit == "word"
        return frozenset({"words"} if own else ())

    def packages(self) -> tuple[str, ...]:
        return () if self.tokenizer is None else ("tokenizers",)

    def files(self) -> dict[str, str]:
        listed = {} if self.vocabulary == "column" else {"vocabulary": self.vocabulary}
        return listed if self.tokenizer is None else {"tokenizer": self.tokenizer, **listed}

    def read_file(self, parameter: str, name: str) -> None:
        read = tokenizer if parameter == "tokenizer" else word_list
        read.cache_clear()  # it may be another file by now
        read(name)

    def keeps_some(self) -> bool:
        return self.strategy == "bert"

    def sites(self, text: Text) -> Spans:
        found = self._tokenizer
        return text.words if found is None else found.spans(text)

    def can_edit(self, text: Text, sites: Spans, column: Column) -> Mask:
        if self.strategy == "bert":
            return np.ones(len(sites), bool)
        return np.asarray(pc.not_equal(text.strings(sites), self.token))

    def edit(self, text: Text, sites: Spans, column: Column, draws: CounterDraws) -> Edits:
        points, bounds = points_of([self.token, *(self._words(column) if self.strategy == "bert" else ())])
        pool, bounds = np.concatenate([text.points, points]), bounds + len(text.points)
        which, chosen = draws.uniform(), draws.uniform()
        others = np.maximum(len(bounds) - 2, 1)
        word = np.where(which < MASKED, 0, 1 + uniform_choice(others, chosen))
        stays = (which >= RANDOM) | (word >= len(bounds) - 1)
        if self.strategy == "all":
            word, stays = np.zeros(len(sites), np.int64), np.zeros(len(sites), bool)
        word = np.where(stays, 0, word)
        starts, stops = np.where(stays, [sites.starts, sites.stops], [bounds[word], bounds[word + 1]])
        return Edits.of(sites, pool, (starts, stops))

    @property
    def _tokenizer(self) -> Tokenizer | None:
        return None if self.tokenizer is None else tokenizer(self.tokenizer)

    def _words(self, column: Column) -> tuple[str, ...]:
        if self.vocabulary != "column":
            return word_list(self.vocabulary)
        found = self._tokenizer
        return column.words or () if found is None else found.vocabulary


@register
class WordReplace(TextCorruption):
    """Replace words by others as a table says: variant spellings, dialect, slang, known confusions.

    Words that the table does not have are not eligible. A word is looked up as it stands, as U.S., then without what is
    no letter or digit at its ends, such as a comma, which stays; case counts.

    Source: Wei and Zou 2019, "EDA: Easy Data Augmentation Techniques for Boosting Performance on Text Classification
    Tasks" (synonym replacement, with a table of one's own).

    Example:
        {op: word_replace, columns: [comment], words: {their: [there, "they're"], you: u}, rate: 0.2}
    """

    severities = RATES

    unit: Literal["word"] = "word"
    """The rate is the share of words that the table has."""

    words: dict[str, str | list[str]] | None = None
    """What each word becomes: a text, or one of several, each as likely as the others."""

    table: str | None = None
    """A file instead: UTF-8 text, on each line a word, a tab and what it becomes; a word may have several lines."""

    @model_validator(mode="after")
    def _says_which(self) -> "WordReplace":
        if (self.words is None) == (self.table is None):
            raise ValueError("takes `words` or `table`")
        if self.words is not None:
            checked({word: (new,) if isinstance(new, str) else tuple(new) for word, new in self.words.items()})
        return self

    def files(self) -> dict[str, str]:
        return {} if self.table is None else {"table": self.table}

    def read_file(self, parameter: str, name: str) -> None:
        replacements.cache_clear()  # it may be another file by now
        replacements(name)

    def can_edit(self, text: Text, sites: Spans, column: Column) -> Mask:
        return self._found(text, sites)[1] >= 0

    def edit(self, text: Text, sites: Spans, column: Column, draws: CounterDraws) -> Edits:
        (spans, place), table = self._found(text, sites), self._table
        counts = np.array([len(news) for news in table.values()])
        firsts = np.cumsum(counts) - counts
        chosen = firsts[place] + uniform_choice(counts[place], draws.uniform())
        return Edits.by(spans, [new for news in table.values() for new in news], chosen)

    @property
    def _table(self) -> WordTable:
        if self.table is not None:
            return replacements(self.table)
        return {word: (new,) if isinstance(new, str) else tuple(new) for word, new in (self.words or {}).items()}

    def _found(self, text: Text, words: Spans) -> tuple[Spans, NDArray[np.int64]]:
        """Return what of each word the table may have, all of it first, and which entry that is; -1: none."""
        cores = _cores(text, words)
        whole, inner = self._place(text, words), self._place(text, cores)
        starts, stops = np.where(whole >= 0, [words.starts, words.stops], [cores.starts, cores.stops])
        return Spans(starts, stops, words.rows, words.ordinals), np.where(whole >= 0, whole, inner)

    def _place(self, text: Text, cores: Spans) -> NDArray[np.int64]:
        """Which entry of the table each word is; -1: none."""
        known = pa.array(list(self._table), pa.large_string())
        return np.asarray(pc.fill_null(pc.index_in(text.strings(cores), known), -1)).astype(np.int64)


def _cores(text: Text, words: Spans) -> Spans:
    """Words from their first letter or digit to the last; all of those that have none."""
    characters = text.characters
    letters = np.flatnonzero(text.classes[characters.starts] == LETTER)
    first, end = text.numbers(words)
    some = np.searchsorted(letters, first) < np.searchsorted(letters, end)
    begin, last = first.copy(), end - 1
    begin[some] = letters[np.searchsorted(letters, first[some])]
    last[some] = letters[np.searchsorted(letters, end[some]) - 1]
    return Spans(characters.starts[begin], characters.stops[last], words.rows, words.ordinals)
