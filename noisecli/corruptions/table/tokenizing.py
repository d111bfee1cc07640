"""The tokens that a language model reads, by the package tokenizers and a file of the user's own."""

from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from noisecli.errors import RecipeProblem
from noisecli.text import SPACE, Spans, Text


class Tokenizer:
    """Cuts texts into tokens."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def spans(self, text: Text) -> Spans:
        """Return where the tokens of texts are, without white space around them; of those that overlap the first."""
        found = self._model.encode_batch(text.texts(), add_special_tokens=False)
        counts = [len(encoding.offsets) for encoding in found]
        ends = np.array([pair for encoding in found for pair in encoding.offsets], np.int64).reshape(-1, 2)
        rows = np.repeat(np.arange(len(found)), counts)
        starts, stops = (ends + text.bounds[rows][:, np.newaxis]).T
        solid = np.flatnonzero(text.classes != SPACE)
        # From the first code point that is no white space to the last one.
        first, end = np.searchsorted(solid, starts), np.searchsorted(solid, stops)
        kept = np.flatnonzero(first < end)
        starts, stops, rows = solid[first[kept]], solid[end[kept] - 1] + 1, rows[kept]
        apart = np.append(True, starts[1:] >= np.maximum.accumulate(stops)[:-1])[: len(starts)]
        return text.spans_at(starts[apart], stops[apart])

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """Texts of all tokens that stand for some, by their numbers."""
        special = {number for number, token in self._model.get_added_tokens_decoder().items() if token.special}
        numbers = (n for n in sorted(self._model.get_vocab(with_added_tokens=True).values()) if n not in special)
        texts = (self._model.decode([number]).removeprefix("##").strip() for number in numbers)
        return tuple(dict.fromkeys(text for text in texts if text and "\ufffd" not in text))


@lru_cache
def tokenizer(name: str) -> Tokenizer:
    """Read the file of a tokenizer.

    Raises:
        RecipeProblem: it is none, or the package tokenizers is not installed.
    """
    try:
        import tokenizers
    except ModuleNotFoundError:
        raise RecipeProblem("`unit: token` takes the package tokenizers: pip install 'noisecli[tokens]'") from None
    try:
        model = tokenizers.Tokenizer.from_file(name)
    except Exception as error:  # the package raises nothing more exact
        raise RecipeProblem(f"{name}: is no file of a tokenizer: {error}") from None
    # What a file may ask for besides: only the first so many tokens, others behind them, or merges left out by chance.
    model.no_truncation()
    model.no_padding()
    if getattr(model.model, "dropout", None) is not None:
        model.model.dropout = None
    return Tokenizer(model)
