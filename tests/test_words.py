"""Ops on words: what they do by example, where their words come from, and what the truth says of masked ones."""

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from golden import strike
from tokenizers import Tokenizer
from tokenizers.models import BPE, WordLevel
from tokenizers.pre_tokenizers import ByteLevel, WhitespaceSplit

import noisecli
from noisecli.corruptions.table.masking import WordMask, WordReplace
from noisecli.corruptions.table.words import (
    Abbreviate,
    Extraneous,
    WordDrop,
    WordMerge,
    WordRepeat,
    WordSplit,
    WordSwap,
)
from noisecli.errors import DataProblem
from noisecli.vocabulary import MOST_WORDS

TEXTS = ["one  two, three", " a\tb ", "alone", "", "x x", None]


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        (WordDrop(), ["", "  ", "alone", "", "", None]),
        (WordSwap(), ["two,  three one", " b\ta ", "alone", "", "x x", None]),
        (WordRepeat(), ["one one  two, two, three three", " a a\tb b ", "alone alone", "", "x x x x", None]),
        (WordMerge(), ["onetwo,three", " ab ", "alone", "", "xx", None]),
        (Abbreviate(length=2), ["one  two, th.", " a\tb ", "al.", "", "x x", None]),
        (Abbreviate(), ["o.  t., t.", " a\tb ", "a.", "", "x x", None]),
        (
            Extraneous(templates=["<{}> {{"]),
            ["<one  two, three> {{", "< a\tb > {{", "<alone> {{", "", "<x x> {{", None],
        ),
        (WordMask(), ["[MASK]  [MASK] [MASK]", " [MASK]\t[MASK] ", "[MASK]", "", "[MASK] [MASK]", None]),
        (WordReplace(words={"two": "zwei", "x": "y"}), ["one  zwei, three", " a\tb ", "alone", "", "y y", None]),
        (WordReplace(words={"two,": "2", "two": "zwei"}), ["one  2 three", " a\tb ", "alone", "", "x x", None]),
    ],
    ids=lambda value: value.name if hasattr(value, "name") else "",
)
def test_by_example(op, expected):
    assert strike(op, pa.array(TEXTS)).cells.to_pylist() == expected


def test_a_split_word_is_the_same_without_its_blank():
    words = ["planet", "Straße", "क्षत्रिय", "e\u0301e\u0301", "x"] * 200
    done = strike(WordSplit(), pa.array(words)).cells.to_pylist()
    assert [new.replace(" ", "") for new in done] == words
    assert {new.index(" ") for new in done if new.replace(" ", "") == "planet"} == {1, 2, 3, 4, 5}
    assert set(done[4::5]) == {"x"}
    assert set(done[3::5]) == {"e\u0301 e\u0301"}


def test_words_that_are_dropped_take_one_gap_with_them():
    texts = ["a b c d e f g h"] * 3000
    done = strike(WordDrop(), pa.array(texts), rate=0.5).cells.to_pylist()
    assert all(text == " ".join(text.split()) for text in done)
    share = sum(len(text.split()) for text in done) / (8 * len(texts))
    assert abs(share - 0.5) < 4 * (0.25 / (8 * len(texts))) ** 0.5


def test_a_run_of_swapped_words_moves_the_first_behind_the_others():
    texts = ["a b c d e f"] * 2000
    for new in strike(WordSwap(), pa.array(texts), rate=0.3).cells.to_pylist():
        words = new.split()
        assert sorted(words) == list("abcdef")
        # Only a word that was moved back stands behind one that followed it; all others moved one place ahead.
        assert all(words.index(word) >= place - 1 for place, word in enumerate("abcdef"))


def test_bert_masks_replaces_and_keeps_as_published(tmp_path, command, recipe):
    words = [f"w{i}" for i in range(50)]
    rows = [" ".join(words[(i * 7 + j) % 50] for j in range(10)) for i in range(2000)]
    pq.write_table(pa.table({"t": rows}), tmp_path / "in.parquet")
    out = tmp_path / "out.parquet"
    steps = recipe("op: word_mask, columns: t, rate: 0.3, strategy: bert")
    assert command("augment", tmp_path / "in.parquet", "-r", steps, "-o", out, "--truth").code == 0
    manifest = json.loads((tmp_path / "out.parquet.noisecli.json").read_bytes())
    counts = manifest["steps"][0]["columns"]["t"]
    assert manifest["facts"]["columns"]["t"]["words"] == sorted(words)
    assert manifest["warnings"] == []
    found, changed = Counter(), 0
    lines = pq.read_table(tmp_path / "out.parquet.noisecli-truth.parquet").to_pylist()
    noisy = pq.read_table(out)["t"].to_pylist()
    for line in lines:
        text = line["before"]
        for start, stop, new in reversed(json.loads(line["drawn"])["sites"]):
            old = line["before"][start:stop]
            assert old in words
            assert new in (*words, "[MASK]")
            found["mask" if new == "[MASK]" else "same" if new == old else "random"] += 1
            text = text[:start] + new + text[stop:]
            changed += new != old
        assert text == line["after"] == noisy[line["row"]]
    assert sum(found.values()) == counts["struck"]
    assert changed == counts["changed"]
    untouched = set(range(len(rows))) - {line["row"] for line in lines}
    assert all(noisy[row] == rows[row] for row in untouched)
    # A random word is the word itself in one of 50 cases, and counts as one that stays.
    chances = {"mask": 0.8, "random": 0.1 * 49 / 50, "same": 0.1 + 0.1 / 50}
    for kind, chance in chances.items():
        assert abs(found[kind] - chance * counts["struck"]) <= 4 * (chance * (1 - chance) * counts["struck"]) ** 0.5


def test_a_large_vocabulary_is_sampled_whatever_the_order(tmp_path, command, recipe):
    words = [f"word{i}" for i in range(3 * MOST_WORDS)]
    rows = [" ".join(words[i : i + 16]) for i in range(0, len(words), 16)]
    found = []
    for name, texts in (("ahead", rows), ("back", rows[::-1])):
        (tmp_path / f"{name}.csv").write_text("t\n" + "\n".join(texts) + "\n")
        steps = recipe("op: word_mask, columns: t, rate: 0.3, strategy: bert")
        assert command("augment", tmp_path / f"{name}.csv", "-r", steps, "-o", tmp_path / f"{name}.out.csv").code == 0
        manifest = json.loads((tmp_path / f"{name}.out.csv.noisecli.json").read_bytes())
        found.append(manifest["facts"]["columns"]["t"]["words"])
    assert found[0] == found[1]
    assert len(set(found[0])) == MOST_WORDS
    assert set(found[0]) < set(words)


@pytest.fixture
def tokenizer(tmp_path) -> Path:
    """Knows a few words, and no others."""
    words = ["[UNK]", "[MASK]", "red", "green", "blue", "sky"]
    model = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    model.add_special_tokens(["[UNK]", "[MASK]"])
    model.pre_tokenizer = WhitespaceSplit()
    model.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def test_tokens_are_those_of_the_file(tmp_path, command, recipe, tokenizer):
    (tmp_path / "in.csv").write_text("t\n" + "red  sky sky\n" * 400)
    step = f"op: word_mask, columns: t, unit: token, tokenizer: '{tokenizer}', strategy: bert, rate: 1"
    assert command("augment", tmp_path / "in.csv", "-r", recipe(step), "-o", tmp_path / "out.csv").code == 0
    noisy = (tmp_path / "out.csv").read_text().splitlines()[1:]
    assert all("  " in line for line in noisy)
    assert set(" ".join(noisy).split()) == {"[MASK]", "red", "green", "blue", "sky"}
    assert "tokenizers" in json.loads((tmp_path / "out.csv.noisecli.json").read_bytes())["environment"]


def words_found(tmp_path, command, steps):
    assert command("augment", tmp_path / "in", "-r", steps, "-o", tmp_path / "out").code == 0
    return json.loads((tmp_path / "out.noisecli.json").read_bytes())["facts"]["columns"]["t"]["words"]


def test_a_vocabulary_is_that_of_the_training_rows_of_all_files(tmp_path, command, recipe):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("t,part\nred sky,train\ngrey,test\n")
    (tmp_path / "in" / "b.csv").write_text(f"t,part\nblue sky {'x' * 300},train\n,train\n")
    steps = recipe("op: word_mask, columns: t, strategy: bert, rate: 1", data="{split: part}")
    assert words_found(tmp_path, command, steps) == ["blue", "red", "sky"]


def test_recorded_facts_without_words_are_not_enough(tmp_path):
    (tmp_path / "in.csv").write_text("t\none two\n")
    steps = [{"op": "typo", "columns": "t", "rate": 1}]
    noisecli.augment(tmp_path / "in.csv", {"noisecli": 1, "seed": 1, "steps": steps}, tmp_path / "old.csv")
    steps = [{"op": "word_mask", "columns": "t", "strategy": "bert"}]
    pinned = {"noisecli": 1, "seed": 1, "facts": str(tmp_path / "old.csv"), "steps": steps}
    with pytest.raises(DataProblem, match="no words of column 't', which step 'word_mask' needs: leave `facts:` out"):
        noisecli.augment(tmp_path / "in.csv", pinned, tmp_path / "new.csv")


def test_a_file_that_has_changed_is_read_again(tmp_path):
    table = tmp_path / "table.tsv"
    steps = [{"op": "word_replace", "columns": "t", "table": str(table), "rate": 1}]
    steps.append({"op": "word_mask", "columns": "t", "strategy": "bert", "vocabulary": str(tmp_path / "words.txt")})
    for new in ("eins", "uno"):
        table.write_text(f"one\t{new}\n")
        (tmp_path / "words.txt").write_text(f"{new.upper()}\n")
        noisy = noisecli.corrupt(pa.table({"t": ["one"] * 400}), {"noisecli": 1, "seed": 1, "steps": steps})
        assert set(noisy["t"].to_pylist()) == {new, new.upper(), "[MASK]"}


def test_every_token_counts_and_always_the_same(tmp_path):
    letters = {"[UNK]": 0, "r": 1, "e": 2, "re": 3}
    model = Tokenizer(BPE(letters, [("r", "e")], dropout=0.5, unk_token="[UNK]"))
    model.pre_tokenizer = WhitespaceSplit()
    model.enable_truncation(2)
    model.enable_padding(length=9, pad_token="r")
    model.save(str(tmp_path / "tokenizer.json"))
    step = {
        "op": "word_mask",
        "columns": "t",
        "unit": "token",
        "tokenizer": str(tmp_path / "tokenizer.json"),
        "rate": 1,
    }
    noisy = noisecli.corrupt(pa.table({"t": ["re re re re"] * 50}), {"noisecli": 1, "seed": 1, "steps": [step]})
    assert set(noisy["t"].to_pylist()) == {"[MASK] [MASK] [MASK] [MASK]"}


def test_tokens_of_one_letter_are_one(tmp_path):
    """Where a tokenizer knows bytes alone, a letter beyond ASCII has several tokens."""
    model = Tokenizer(BPE({letter: i for i, letter in enumerate(sorted(ByteLevel.alphabet()))}, []))
    model.pre_tokenizer = ByteLevel(add_prefix_space=False)
    model.save(str(tmp_path / "tokenizer.json"))
    step = {"op": "word_mask", "columns": "t", "unit": "token", "tokenizer": str(tmp_path / "tokenizer.json")}
    recipe = {"noisecli": 1, "seed": 1, "steps": [{**step, "token": "_", "rate": 1}]}
    noisy = noisecli.corrupt(pa.table({"t": ["xé 日👩‍💻", "é"]}), recipe)
    assert noisy["t"].to_pylist() == ["__ ____", "_"]


def test_a_replay_needs_the_same_files(tmp_path, command, recipe):
    table = tmp_path / "table.tsv"
    table.write_text("two\tzwei\ntwo\tdeux\nred\trot\n", encoding="utf-8-sig")
    (tmp_path / "in.csv").write_text("t\n" + "one two (red)\n" * 100)
    out = tmp_path / "out.csv"
    steps = recipe(f"op: word_replace, columns: t, table: '{table}', rate: 1")
    assert command("augment", tmp_path / "in.csv", "-r", steps, "-o", out).code == 0
    assert set(out.read_text().splitlines()[1:]) == {"one zwei (rot)", "one deux (rot)"}
    manifest = Path(f"{out}.noisecli.json")
    assert list(json.loads(manifest.read_bytes())["read"]) == [str(table)]
    again = ("replay", manifest, "--input", tmp_path / "in.csv", "-o", tmp_path / "again.csv")
    assert command(*again).code == 0
    table.write_text("two\tdue\n")
    done = command(*again, "--force")
    assert done.code == 3
    assert "table.tsv: is not the file that the manifest records" in done.err


@pytest.mark.parametrize(
    ("step", "content", "message"),
    [
        ("op: word_replace, columns: t, table: FILE", None, "cannot be read: No such file"),
        ("op: word_replace, columns: t, table: FILE", b"two zwei\n", "line 1: should be a word, a tab"),
        ("op: word_replace, columns: t, table: FILE", b"two\ttwo\n", "'two' should become another word"),
        ("op: word_replace, columns: t, table: FILE", b"\n", "has no words"),
        ("op: word_replace, columns: t, table: FILE", b"\xff\xfe\x00", "is not UTF-8 text"),
        ("op: word_mask, columns: t, strategy: bert, vocabulary: FILE", b" \n", "has no words"),
        ("op: word_mask, columns: t, unit: token, tokenizer: FILE", b"{}", "is no file of a tokenizer"),
        (
            "op: word_mask, columns: t, unit: token, tokenizer: FINE, strategy: bert, vocabulary: FILE",
            b"",
            "has no words",
        ),
        ("op: word_mask, columns: t, unit: token", b"", "`unit: token` and `tokenizer` go together"),
        ("op: word_mask, columns: t, vocabulary: FILE", b"a\n", "`vocabulary` is of `strategy: bert`"),
        ("op: word_replace, columns: t", b"", "takes `words` or `table`"),
        ('op: word_replace, columns: t, table: "a\\0b"', b"", "'a\\x00b' is no name of a file"),
        ('op: word_replace, columns: t, words: {a: "\\ud800"}', b"", "words: holds half of a surrogate pair"),
        ('op: extraneous, columns: t, templates: ["{}\\ud800"]', b"", "templates: holds half of a surrogate pair"),
        ("op: truncate_text, columns: t, bytes: 99999999999999999999", b"", "less than 2147483648"),
        ("op: word_replace, columns: t, words: {a b: c}", b"", "'a b' is not one word"),
        ("op: extraneous, columns: t, templates: [x]", b"", "should have {} once"),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(tmp_path, command, recipe, tokenizer, step, content, message):
    (tmp_path / "in.csv").write_text("t\none two\n")
    file = tmp_path / "words.txt"
    step = step.replace("FINE", f"'{tokenizer}'")
    if content is not None:
        file.write_bytes(content)
    steps = recipe(step.replace("FILE", f"'{file}'"))
    for arguments in (("augment", tmp_path / "in.csv", "-r", steps, "-o", tmp_path / "out.csv"), ("validate", steps)):
        done = command(*arguments)
        assert done.code == 2, done.out
        assert len(done.errors) == 1
        assert message in done.err
        assert "recipe.yaml:4:" in done.err
    assert not (tmp_path / "out.csv").exists()
