"""The command line as people meet it in a shell: help, completion, misspelled words, terminals without colours."""

import re


def test_every_help_fits_a_screen_and_shows_an_example(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    root = command("--help").out
    listed = dict(re.findall(r"^  ([a-z]+)  +(.+)$", root.partition("Commands:")[2], flags=re.M))
    assert {"augment", "validate", "ops", "recipes", "schema", "verify", "replay"} <= set(listed)
    for name, sentence in listed.items():
        assert sentence.endswith("."), f"{name}: its sentence is cut off or broken: {sentence}"
        assert not sentence.endswith("..."), name
        shown = command(name, "-h").out
        assert f"\n  {sentence}\n  Example: noisecli {name}" in shown
        broken = [line for line in shown.splitlines() if re.match(r" {8,}\S", line)]
        assert not broken, f"{name}: the help of an option is longer than a line: {broken}"
        too_long = [line for line in shown.splitlines() if len(line) > 79]
        assert not too_long
        assert len(shown.splitlines()) <= 24, name
