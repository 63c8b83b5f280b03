"""The words of the plain pages: whole in both languages, all of them used, and nothing on screen that is none."""

import re
import string
import unicodedata
from html import unescape
from pathlib import Path

import pytest

from ioc.feeds import FEEDS
from ioc.model.audit import Act
from ioc.model.origins import Origin
from ioc.model.series import Text
from ioc.web.administration import words
from ioc.web.words import WORDS as DOOR
from tests.web.administering import PEOPLE, Desk, places
from tests.web.conftest import Web

WEB = Path(__file__).resolve().parents[2] / "ioc" / "web"
ADMINISTRATION = WEB / "administration"
COMPOSED = ("act_", "kind_", "role_", "origin_", "error_", "language_", "way_", "page_")
MARK = "\u27e6{}\u27e7"


def _fills(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("catalogue", [words.WORDS, DOOR], ids=["administration", "door"])
def test_every_word_stands_in_both_languages_and_fills_in_the_same(catalogue: dict[str, Text]) -> None:
    for name, text in catalogue.items():
        assert text.vi.strip(), name
        assert text.en.strip(), name
        assert _fills(text.vi) == _fills(text.en), name
        assert unicodedata.normalize("NFC", text.vi) == text.vi, name


def test_no_vietnamese_stands_outside_the_catalogue() -> None:
    sources = [*ADMINISTRATION.glob("*.py"), WEB / "assets" / "administration.css", *WEB.glob("assets/*.html")]
    letters = re.compile(r"[đĐăĂơƠưƯ]|[^\W\d_a-zA-Z]")
    for path in sources:
        if path.name != "words.py":
            found = [line for line in path.read_text(encoding="utf-8").splitlines() if letters.search(line)]
            assert found == [], path


def test_every_word_of_the_administration_is_used() -> None:
    code = "\n".join(
        path.read_text(encoding="utf-8") for path in ADMINISTRATION.glob("*.py") if path.name != "words.py"
    )
    unused = [
        name
        for name in words.WORDS
        if not name.startswith(COMPOSED) and f'"{name.removesuffix("_one")}"' not in code
        and not re.search(rf'"{name.rpartition("_")[0]}"', code)
    ]  # fmt: skip
    assert unused == []


def test_everything_that_is_composed_has_its_word() -> None:
    expected = {f"act_{act.value}" for act in Act} | {f"origin_{origin.slug}" for origin in Origin}
    assert expected <= words.WORDS.keys()


def test_nothing_that_is_seen_stands_outside_the_catalogue(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every word is put in marks; what is left beside them must be data: names, ids, days, numbers."""
    desk = Desk.of(web)
    desk.session("lan")
    desk.post(desk.path("lan"), name="Trần Thị Lan", role="viewer", language="vi", centres="c-d1")
    desk.post("/keys/new", name="source", origin="live", may="send", feeds="traffic", centres="c-d1", units="u-l1")
    desk.post("/screens/new", name="hall", centre="c-d1", page="wall")
    marked = {name: Text(MARK.format(text.vi), MARK.format(text.en)) for name, text in words.WORDS.items()}
    for name, text in marked.items():
        monkeypatch.setitem(words.WORDS, name, text)
    pages = [desk.get(path) for path in places(desk, "GET")]
    pages += [
        desk.get("/people?q=x"),
        desk.get("/people/p-x"),
        desk.get("/centres/c-d1?on=x"),
        desk.get("/people", "lan"),
    ]
    pages += [desk.post(path, name="", login="", units="x") for path in ("/people/new", "/keys/new", "/screens/new")]
    pages += [desk.post(f"{desk.path('lan')}/reset"), desk.get("/audit"), desk.get("/people?done=person_changed")]
    data = re.compile("|".join(map(re.escape, sorted(_data(), key=len, reverse=True))))
    for page in pages:
        assert MARK[0] in page.text
        for seen in _seen(page.text):
            rest = data.sub("", _unmarked(seen))
            letters = re.sub(r"\b[a-z]-[\w-]+|[\w.]+: |uid:\d+|http\S+|ioc_\S+", "", rest)
            assert not re.search(r"[^\W\d_]", letters), (page.url.path, seen)


def _data() -> set[str]:
    """What pages show that is nobody's word: names and ids of the small centre, of its people and of what they do."""
    people = {part for login, name, _, _ in PEOPLE for part in (login, name)}
    places = {"Cả", "Một", "Hai", "c-all", "c-d1", "c-d2", "u-m1", "u-d1", "u-l1", "u-same", "m1", "d1", "Thấp", "Giữa"}
    feeds = {part for feed in FEEDS.values() for part in (feed.id, feed.title.vi)}
    things = {"source", "hall", "a test", "system:test", "person-changed", "live", "send", "operator", "viewer", "link"}
    return people | places | feeds | things | {"administrator", "leader", "supervisor", "wall", "True", "p-x", "x"}


def _seen(page: str) -> list[str]:
    """Every text between tags, and the attributes that people see or hear."""
    between = re.findall(r">([^<>]+)<", page.partition("<body")[2])
    attributes = re.findall(r'(?:aria-label|placeholder|title|data-label)="([^"]*)"', page)
    return [unescape(one) for one in (*between, *attributes) if one.strip()]


def _unmarked(text: str) -> str:
    """The text without what stands in marks, however often they are nested."""
    while True:
        inner = re.sub(r"\u27e6[^\u27e6\u27e7]*\u27e7", "", text)
        if inner == text:
            return text
        text = inner
