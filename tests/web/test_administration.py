"""Administration pages through the gate: who gets in, what they change, what is shown once, what is never lost."""

import io
from typing import Any

import httpx
import pytest

from ioc.model.access import Permission, Role
from ioc.operations import access, keys, people_changes, screens
from ioc.web.administration.words import WORDS
from tests.access.conftest import log_text as log_text  # the fixture
from tests.operations.rows import NOW
from tests.web.administering import HERE, PEOPLE, ROOT, Desk, places, secret, text
from tests.web.conftest import Web

KEY: dict[str, Any] = {
    "name": "so-gtvt.1",
    "origin": "live",
    "may": "send",
    "feeds": "traffic",
    "centres": "c-d1",
    "units": "",
}
NEW: dict[str, Any] = {"login": "moi", "name": "Người Mới", "role": "operator", "language": "vi", "centres": "c-d1"}


@pytest.fixture
def desk(web: Web) -> Desk:
    return Desk.of(web)


@pytest.fixture
def full(desk: Desk) -> Desk:
    """With a key and a screen."""
    assert desk.post("/keys/new", **{**KEY, "name": "source"}).status_code == 200
    assert desk.post("/screens/new", name="hall", centre="c-d1", page="wall").status_code == 200
    return desk


def says(answer: httpx.Response, word: str) -> bool:
    return WORDS[word].vi in text(answer)


# --- who gets in -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", [login for login, _, role, _ in PEOPLE if role is not Role.ADMINISTRATOR])
def test_no_other_role_sees_or_changes_anything(full: Desk, who: str) -> None:
    before = access.list_people(ROOT, full.store)
    for path in places(full, "GET"):
        answer = full.get(path, who)
        assert (answer.status_code, says(answer, "page_refused")) == (403, True), path
    for path in places(full, "POST"):
        assert full.post(path, who, **NEW).status_code == 403, path
    assert access.list_people(ROOT, full.store) == before


def test_an_administrator_sees_every_page_in_both_languages(full: Desk) -> None:
    for path in places(full, "GET"):
        for language in ("vi", "en"):
            answer = full.get(f"{path}?lang={language}")
            assert answer.status_code == 200, path
            assert f'<html lang="{language}"' in answer.text
            assert "<script" not in answer.text
            assert answer.headers["cache-control"] == "no-store"


def test_strangers_are_sent_to_sign_in(full: Desk) -> None:
    for path in places(full, "GET"):
        assert full.get(path, "").headers["location"].startswith("/sign-in?next="), path


def test_a_change_without_the_token_of_the_session_changes_nothing(full: Desk) -> None:
    before = access.list_people(ROOT, full.store)
    for path in places(full, "POST"):
        for csrf in ("", "x", full.session("lan").csrf):
            assert full.post(path, csrf=csrf, **NEW).status_code == 403, path
        assert full.post(path, from_site="https://evil.example", **NEW).status_code == 403, path
    assert access.list_people(ROOT, full.store) == before
    assert [key.revoked_at for key in keys.list_keys(ROOT, full.store)] == [None]
    assert [one.revoked_at for one in screens.list_screens(ROOT, full.store)] == [None]


def test_what_belongs_to_another_centre_is_invisible_and_stays_as_it_is(full: Desk) -> None:
    shown = text(full.get("/people", "head"))
    assert "Trần Thị Lan" in shown
    assert "Nguyễn Hoàng Minh" not in shown
    assert "Đặng Văn Quân" not in shown, "who also has other centres is not theirs"
    before = access.list_people(ROOT, full.store)
    for login in ("minh", "boss"):
        foreign = full.path(login)
        for path in ("", "/disable", "/reset", "/sessions/end", "/sessions/x/end"):
            assert full.get(foreign + path, "head").status_code in (404, 405), path
            assert full.post(foreign + path, "head", **NEW).status_code == 404, path
    assert access.list_people(ROOT, full.store) == before
    assert full.get("/centres/c-d2", "head").status_code == 404
    assert full.get("/centres/c-all", "head").status_code == 404


@pytest.mark.parametrize("centres", [["c-d2"], ["c-d1", "c-d2"], ["c-all"], ["nowhere"]])
def test_nobody_gives_rights_above_their_own_centres(desk: Desk, centres: list[str]) -> None:
    answer = desk.post("/people/new", "head", **{**NEW, "centres": centres})
    assert (answer.status_code, says(answer, "error_centres_foreign")) == (403, True)
    answer = desk.post(desk.path("lan"), "head", **{**NEW, "centres": centres})
    assert (answer.status_code, says(answer, "error_centres_foreign")) == (403, True)
    answer = desk.post("/keys/new", "head", **{**KEY, "centres": centres})
    assert (answer.status_code, says(answer, "error_centres_foreign")) == (403, True)
    answer = desk.post("/screens/new", "head", name="hall", page="wall", centre=centres[-1])
    assert (answer.status_code, says(answer, "error_centres_foreign")) == (403, True)
    assert desk.person("lan").centres == {"c-d1"}
    assert len(access.list_people(ROOT, desk.store)) == len(PEOPLE)


# --- people ----------------------------------------------------------------------------------------------------


def test_whoever_is_added_comes_in_by_a_link_that_is_shown_once(desk: Desk, log_text: io.StringIO) -> None:
    answer = desk.post("/people/new", "head", **NEW)
    link = secret(answer)
    token = link.rsplit("/", 1)[1]
    assert link == f"{desk.web.rows.settings.public_url}/sign-in/once/{token}"
    assert answer.text.count(token) == 1
    assert token not in desk.get(desk.path("moi")).text + desk.get("/people").text + desk.get("/audit").text
    assert token not in log_text.getvalue()
    signed, path = access.redeem(desk.store, desk.web.rows.settings, token=token, visit=HERE, now=NOW)
    assert path == "/centre/c-d1"
    session = access.find_session(desk.store, signed.token, desk.web.rows.settings, NOW)
    assert session is not None
    assert session.must_change_password


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"login": "A B"}, "error_login_form"),
        ({"login": ""}, "error_login_form"),
        ({"login": "lan"}, "error_login_taken"),
        ({"name": " "}, "error_person_name"),
        ({"name": "x" * 201}, "error_person_name"),
        ({"centres": []}, "error_centres_needed"),
        ({"role": "king"}, "error_role"),
        ({"language": "fr"}, "error_language"),
    ],
)
def test_bad_input_comes_back_with_the_sentence_at_its_field_and_nothing_is_lost(
    desk: Desk, changed: dict[str, Any], word: str
) -> None:
    stated = {**NEW, "name": 'Nguyễn "Mới" <b>', **changed}
    answer = desk.post("/people/new", **stated)
    assert (answer.status_code, says(answer, word)) == (400, True)
    (name,) = changed
    assert f'id="{name}-error"' in answer.text
    assert f'aria-describedby="{name}-error"' in answer.text.replace(f"{name}-hint ", "")
    assert "<b>" not in answer.text.partition("<main")[2].replace("<b>" + WORDS["at_once"].vi, "")
    if name != "name":
        assert 'value="Nguyễn &quot;Mới&quot; &lt;b&gt;"' in answer.text
    if name != "centres":
        assert 'type="checkbox" name="centres" value="c-d1" checked' in answer.text
    if name != "role":
        assert 'type="radio" name="role" value="operator" checked' in answer.text
    assert len(access.list_people(ROOT, desk.store)) == len(PEOPLE)


def test_a_change_is_kept_and_told(desk: Desk) -> None:
    sent: dict[str, Any] = {
        "name": "Trần Thị Lan Anh",
        "role": "supervisor",
        "language": "en",
        "centres": ["c-d1", "c-d2"],
    }
    answer = desk.post(desk.path("lan"), **sent)
    assert answer.status_code == 303
    page = desk.get(answer.headers["location"].removeprefix("/administration"))
    assert says(page, "person_changed")
    lan = desk.person("lan")
    assert (lan.name, lan.role, lan.language, lan.centres) == (
        "Trần Thị Lan Anh", Role.SUPERVISOR, "en", frozenset({"c-d1", "c-d2"})
    )  # fmt: skip
    assert not says(desk.get(f"{desk.path('lan')}?done=page_failed"), "page_failed"), "an address says nothing else"


def test_the_last_administrator_of_everything_stays(desk: Desk) -> None:
    stated: dict[str, Any] = {
        "name": "x",
        "role": "administrator",
        "language": "vi",
        "centres": ["c-all", "c-d1", "c-d2"],
    }
    for changed in ({"role": "viewer"}, {"centres": ["c-all", "c-d1"]}):
        answer = desk.post(desk.path("boss"), **{**stated, **changed})
        assert (answer.status_code, says(answer, "error_last_administrator")) == (400, True)
    answer = desk.post(f"{desk.path('boss')}/disable")
    assert (answer.status_code, says(answer, "error_last_administrator")) == (400, True)
    assert desk.post(desk.path("lan"), **stated).status_code == 303
    assert desk.post(f"{desk.path('boss')}/disable").status_code == 303


def test_disabling_asks_once_and_ends_everything(desk: Desk) -> None:
    desk.session("lan")
    page = desk.get(f"{desk.path('lan')}/disable")
    assert WORDS["disable_ask"].vi.format(name="Trần Thị Lan") in text(page)
    assert desk.person("lan").disabled_at is None
    assert desk.post(f"{desk.path('lan')}/disable").status_code == 303
    assert desk.person("lan").disabled_at is not None
    assert says(desk.get(desk.path("lan")), "sessions_empty")
    assert desk.post(f"{desk.path('lan')}/reset").status_code == 403, "nobody is let in again by a link"


def test_a_password_is_taken_back_and_a_link_is_shown_once(desk: Desk, log_text: io.StringIO) -> None:
    access.set_password(ROOT, desk.store, login="lan", password="bốn từ rời nhau", now=NOW)
    held = desk.session("lan").token
    link = secret(desk.post(f"{desk.path('lan')}/reset"))
    assert access.find_session(desk.store, held, desk.web.rows.settings, NOW) is None
    assert desk.person("lan").password_hash is None
    assert says(desk.get(desk.path("lan")), "password_unset")
    assert link not in desk.get(desk.path("lan")).text
    assert link.rsplit("/", 1)[1] not in log_text.getvalue()


def test_sessions_are_listed_and_ended(desk: Desk) -> None:
    desk.session("lan")
    page = desk.get(desk.path("lan"))
    assert HERE.address in page.text
    assert WORDS["sessions_count_one"].vi in text(page)
    path = next(part for part in page.text.split('"') if part.startswith("/administration") and "/sessions/s-" in part)
    assert desk.get(path.removeprefix("/administration")).status_code == 200
    assert says(desk.get(desk.path("lan")), "sessions_count_one"), "looking ended nothing"
    assert desk.post(path.removeprefix("/administration")).status_code == 303
    assert says(desk.get(desk.path("lan")), "sessions_empty")
    desk.signed.clear()
    desk.session("lan")
    assert desk.post(f"{desk.path('lan')}/sessions/end").status_code == 303
    assert says(desk.get(desk.path("lan")), "sessions_empty")


def test_people_are_found_without_accents_and_every_list_says_how_many(desk: Desk) -> None:
    found = text(desk.get("/people?q=dang quan"))
    assert "Đặng Văn Quân" in found
    assert "Trần Thị Lan" not in found
    assert WORDS["people_found"].vi.format(n=1, all=6) in found
    assert WORDS["people_count"].vi.format(n=6) in text(desk.get("/people"))
    assert says(desk.get("/people?q=khong-ai"), "people_unfound")
    for path, word in (("/keys", "keys_empty"), ("/screens", "screens_empty")):
        assert says(desk.get(path), word)


@pytest.mark.slow
def test_a_long_list_has_pages(desk: Desk) -> None:
    for number in range(100):
        access.add_person(
            ROOT, desk.store, login=f"n{number:03}", name=f"N {number:03}", role=Role.VIEWER, centres=["c-d1"], now=NOW
        )
    first, second = desk.get("/people?q=n"), desk.get("/people?q=n&page=2")
    assert "N 001" in text(first)
    assert "N 099" not in text(first)
    assert "N 099" in text(second)
    for page in ("0", "-1", "99999", "x", "²"):
        assert desk.get(f"/people?page={page}").status_code == 200


# --- keys and screens --------------------------------------------------------------------------------------------


def test_a_key_is_shown_once_and_sends_only_about_its_centres(desk: Desk, log_text: io.StringIO) -> None:
    answer = desk.post("/keys/new", "head", **KEY)
    key = secret(answer)
    assert answer.text.count(key) == 1
    assert key not in desk.get("/keys").text + desk.get("/audit").text + log_text.getvalue()
    known = keys.principal_of_key(desk.store, key, desk.web.rows.settings)
    assert known is not None
    assert known.units == {"u-d1", "u-m1"}, "what the centre covers now and covered before"
    assert known.permissions == {Permission.SEND}


@pytest.mark.parametrize(
    ("changed", "name", "word"),
    [
        ({"name": "Sở"}, "name", "error_key_form"),
        ({"name": "source"}, "name", "error_key_taken"),
        ({"may": []}, "may", "error_key_may"),
        ({"may": "administer"}, "may", "error_key_may"),
        ({"feeds": []}, "feeds", "error_key_feeds"),
        ({"feeds": "weather"}, "feeds", "error_key_feeds"),
        ({"centres": []}, "centres", "error_centres_needed"),
        ({"units": "u-m1 u-m2"}, "units", "error_key_units"),
        ({"units": "nowhere"}, "units", "error_key_units"),
        ({"origin": "true"}, "origin", "error_key_origin"),
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(full: Desk, changed: dict[str, Any], name: str, word: str) -> None:
    answer = full.post("/keys/new", **{**KEY, **changed})
    assert (answer.status_code, says(answer, word)) == (400, True)
    assert f'id="{name}-error"' in answer.text
    if name != "name":
        assert 'value="so-gtvt.1"' in answer.text
    assert [key.name for key in keys.list_keys(ROOT, full.store)] == ["source"]


def test_a_key_is_revoked_after_a_question_and_only_by_its_administrators(full: Desk) -> None:
    full.post("/keys/new", **{**KEY, "name": "other", "centres": ["c-d2"]})
    assert "other" not in text(full.get("/keys", "head"))
    assert full.post("/keys/other/revoke", "head").status_code == 404
    assert full.get("/keys/source/revoke", "head").status_code == 200
    assert [key.revoked_at for key in keys.list_keys(ROOT, full.store)] == [None, None]
    assert full.post("/keys/source/revoke", "head").headers["location"].endswith("/keys?done=key_revoke_done")
    assert [key.name for key in keys.list_keys(ROOT, full.store) if key.revoked_at is None] == ["other"]


def test_a_screen_is_added_paired_again_and_revoked(desk: Desk, log_text: io.StringIO) -> None:
    assert says(desk.post("/screens/new", name="Hall", centre="c-d1", page="wall"), "error_screen_form")
    assert says(desk.post("/screens/new", name="hall", page="wall"), "error_screen_centre")
    assert says(desk.post("/screens/new", name="hall", centre="c-d1", page="leader"), "error_screen_page")
    first = secret(desk.post("/screens/new", "head", name="hall", centre="c-d1", page="wall"))
    assert says(desk.post("/screens/new", name="hall", centre="c-d1", page="wall"), "error_screen_taken")
    assert says(desk.get("/screens"), "screen_waiting")
    settings = desk.web.rows.settings
    screens.pair_screen(desk.store, settings, token=first.rsplit("/", 1)[1], now=NOW)
    assert says(desk.get("/screens"), "screen_paired")
    again = secret(desk.post("/screens/hall/renew", "head"))
    assert again != first
    for link in (first, again):
        token = link.rsplit("/", 1)[1]
        assert token not in desk.get("/screens").text + desk.get("/audit").text + log_text.getvalue()
    assert desk.post("/screens/hall/revoke").status_code == 303
    assert says(desk.get("/screens"), "screen_revoked")
    screens.add_screen(ROOT, desk.store, settings, name="elsewhere", centre="c-d2", page="wall", now=NOW)
    assert "elsewhere" not in text(desk.get("/screens", "head"))
    assert desk.post("/screens/elsewhere/revoke", "head").status_code == 404
    assert desk.post("/screens/elsewhere/renew", "head").status_code == 404


# --- centres and the audit ---------------------------------------------------------------------------------------


def test_coverage_is_shown_for_each_period(desk: Desk) -> None:
    today = text(desk.get("/centres/c-d1"))
    assert "u-m1" in today
    assert "u-d1" not in today
    before = text(desk.get("/centres/c-d1?on=2025-06-30"))
    assert "u-d1" in before
    assert "u-m1" not in before
    assert WORDS["period_before"].vi.format(end="1/7/2025") in before
    assert WORDS["period_open"].vi.format(start="1/7/2025") in before
    assert says(desk.get("/centres/c-d2"), "covers_nothing")
    for day in ("2025-13-01", "soon", "9999999"):
        answer = desk.get(f"/centres/c-d1?on={day}")
        assert (answer.status_code, says(answer, "error_day")) == (400, True)


def test_the_audit_names_people_and_can_be_searched(full: Desk) -> None:
    full.post(full.path("lan"), **{**NEW, "name": "Trần Thị Lan", "role": "viewer"})
    page = text(full.get("/audit?act=person-changed"))
    assert WORDS["act_person-changed"].vi in page
    assert "Trần Thị Lan" in page
    assert "role_before: operator" in page
    boss, minh = full.person("boss").id, full.person("minh").id
    assert WORDS["audit_count_one"].vi in text(full.get(f"/audit?act=person-changed&who={boss}"))
    assert says(full.get(f"/audit?act=person-changed&who={minh}"), "audit_empty")
    assert says(full.get("/audit?act=person-changed&until=2026-11-20"), "audit_empty")
    assert WORDS["audit_count_one"].vi in text(full.get("/audit?act=person-changed&since=2026-11-21&until=2026-11-21"))
    head = text(full.get("/audit", "head"))
    assert "Đặng Văn Quân" not in head
    assert minh not in head
    assert full.get(f"/audit?who={minh}", "head").status_code == 400
    assert full.get("/audit?act=nothing").status_code == 400
    assert full.get("/audit?since=0001-01-01").status_code == 400
    assert full.get("/audit?before=99999999999999999999").status_code == 200


def test_old_entries_of_the_audit_are_reached_from_the_page(desk: Desk) -> None:
    for _ in range(101):
        people_changes.reset_password(ROOT, desk.store, desk.web.rows.settings, login="lan", now=NOW)
    page = desk.get("/audit?act=password-changed")
    older = next(part for part in page.text.split('"') if "before=" in part).replace("&amp;", "&")
    assert WORDS["audit_count"].vi.format(n=100) in text(page)
    assert WORDS["audit_count_one"].vi in text(desk.get(older.removeprefix("/administration")))


def test_language_and_colours_are_kept_and_the_persons_own_language_is_the_first(desk: Desk) -> None:
    answer = desk.get("/people?theme=dark&lang=en")
    kept = answer.headers.get_list("set-cookie")
    assert any(one.startswith("ioc_theme=dark; ") for one in kept)
    assert any(one.startswith("ioc_language=en; ") for one in kept)
    assert 'data-theme="dark"' in answer.text
    assert '<html lang="vi"' in desk.get("/people").text
    assert desk.get("/people?theme=dark&lang=xx").text.count('data-theme="dark"') == 1


def test_a_form_that_is_none_or_too_large_is_refused(desk: Desk) -> None:
    csrf = desk.session("boss").csrf
    large = desk.post("/people/new", name="x" * 70_000)
    assert large.status_code == 413
    twice = desk.post("/people/new", csrf_token=[csrf, csrf], csrf="")
    assert twice.status_code == 403
    missing = desk.get("/people/p-nobody")
    assert (missing.status_code, says(missing, "page_missing")) == (404, True)
