"""The catalogue: complete in both languages, used, and the only place with words of the screen."""

import re
import string
import unicodedata
from dataclasses import fields
from pathlib import Path

import pytest

from ioc.panels.words import CATALOGUE, EN, LANGUAGES, VI, Words, is_word, unit_word, words_json

PANELS = Path(__file__).resolve().parents[2] / "ioc" / "panels"
NAMES = [field.name for field in fields(Words)]
DYNAMIC = ("state_", "origin_", "as_of_", "band_", "moved_", "unit_", "notice_")  # asked for by a composed name


def _texts(name: str) -> list[tuple[str, ...]]:
    return [value if isinstance(value := getattr(words, name), tuple) else (value,) for words in (VI, EN)]


def _fills(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("name", NAMES)
def test_every_word_stands_in_both_languages_and_fills_in_the_same(name: str) -> None:
    vietnamese, english = _texts(name)
    assert len(vietnamese) == len(english)
    for one, other in zip(vietnamese, english, strict=True):
        assert one.strip()
        assert other.strip()
        assert _fills(one) == _fills(other)


def _is_vietnamese(letter: str) -> bool:
    return letter in "đĐ" or (letter.isalpha() and len(unicodedata.normalize("NFD", letter)) > 1)


def _sources() -> list[Path]:
    return [path for path in PANELS.rglob("*") if path.suffix in (".py", ".js", ".css") and path.name != "words.py"]


@pytest.mark.parametrize("path", _sources(), ids=lambda path: path.name)
def test_no_vietnamese_stands_outside_the_catalogue(path: Path) -> None:
    found = [line for line in path.read_text(encoding="utf-8").splitlines() if any(map(_is_vietnamese, line))]
    assert found == []


def test_every_word_is_used() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in _sources())
    own = (PANELS / "words.py").read_text(encoding="utf-8").partition("CATALOGUE: Final")[2]
    unused = [
        name
        for name in NAMES
        if not name.startswith(DYNAMIC) and not re.search(rf"\b{name}\b", code) and name not in own
    ]
    assert unused == []


def test_units_that_are_words_are_translated_and_signs_are_not() -> None:
    assert unit_word(EN, VI.unit_dossiers) == "dossiers"
    assert unit_word(EN, "km/h") == "km/h"
    assert is_word(VI.unit_segments)
    assert not is_word("%")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_browser_gets_the_same_catalogue(language: str) -> None:
    import json

    sent = json.loads(words_json("vi" if language == "vi" else "en"))
    words = CATALOGUE["vi" if language == "vi" else "en"]
    assert {name: sent[name] for name in NAMES} == {
        name: list(value) if isinstance(value := getattr(words, name), tuple) else value for name in NAMES
    }
    assert sent["units_of"][VI.unit_vehicles] == words.unit_vehicles
