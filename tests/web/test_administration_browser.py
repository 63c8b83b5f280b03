"""The administration pages in a real browser: nothing is loaded from elsewhere, nothing overflows, keys suffice."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ioc.model.access import Permission
from ioc.operations import access, screens
from ioc.web.administration.words import WORDS
from tests.operations.rows import NOW
from tests.panels.gallery_server import serving
from tests.web.administering import HOME, ROOT, Desk, places
from tests.web.conftest import Web

pytestmark = [pytest.mark.chromium, pytest.mark.slow]
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
SIZES = ((1920, 1080), (820, 1180))


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(chromium), args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def desk(web: Web) -> Desk:
    made = Desk.of(web)
    web.key("source", Permission.SEND, feeds=frozenset({"traffic"}), centres=frozenset({"c-d1"}))
    screens.add_screen(ROOT, made.store, web.rows.settings, name="hall", centre="c-d1", page="wall", now=NOW)
    made.session("lan")
    return made


@pytest.fixture
def address(desk: Desk) -> Iterator[str]:
    with serving(desk.web.made.app) as address:
        yield address


@pytest.fixture
def page(browser: Browser, desk: Desk, address: str) -> Iterator[Page]:
    """A page in which `boss` is signed in; what it complains of or asks of other hosts fails the test.

    A form that comes back says 400, which Chromium tells as an error: that one is meant.
    """
    context = browser.new_context()
    context.add_cookies([{"name": "ioc_session", "value": desk.session("boss").token, "url": address}])
    wrong: list[str] = []
    context.on("request", lambda one: None if one.url.startswith((address, "data:")) else wrong.append(one.url))
    opened = context.new_page()
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on(
        "console",
        lambda said: wrong.append(said.text) if said.type != "log" and "status of 400" not in said.text else None,
    )
    yield opened
    context.close()
    assert wrong == []


@pytest.mark.parametrize(("language", "theme"), [("vi", "light"), ("en", "dark")])
def test_every_page_fits_its_window(page: Page, desk: Desk, address: str, language: str, theme: str) -> None:
    for path in places(desk, "GET"):
        page.goto(f"{address}{HOME}{path}?lang={language}&theme={theme}")
        page.wait_for_function("() => document.fonts.status === 'loaded'")
        assert page.evaluate("() => getComputedStyle(document.body).fontFamily").startswith('"Be Vietnam Pro"')
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            assert page.evaluate("() => document.documentElement.scrollWidth") <= width, (path, width)


def test_a_person_is_added_by_keys_alone(page: Page, desk: Desk, address: str) -> None:
    page.goto(f"{address}{HOME}/people/new")
    page.focus("#name")
    page.keyboard.type("Người Mới")
    page.keyboard.press("Tab")
    page.keyboard.type("moi")
    assert page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.locator("#centres-error")).to_have_text(WORDS["error_centres_needed"].vi)
    expect(page.locator("#name")).to_have_value("Người Mới")
    page.focus('input[name="centres"][value="c-d1"]')
    page.keyboard.press("Space")
    page.focus("main button[type=submit]")
    page.keyboard.press("Enter")
    expect(page.locator("#secret")).to_have_text(re.compile("/sign-in/once/"))
    assert "moi" in [one.login for one in access.list_people(ROOT, desk.store)]


def test_the_head_of_a_long_table_stays_in_view(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 1180, "height": 420})
    page.goto(f"{address}{HOME}/audit")
    page.mouse.wheel(0, 4_000)
    page.wait_for_function("() => scrollY > 100")
    assert page.evaluate("() => document.querySelector('th').getBoundingClientRect().top") == 0


def test_signing_out_leaves(page: Page, address: str) -> None:
    page.goto(f"{address}{HOME}/people")
    page.click("header .out button")
    page.wait_for_url("**/sign-in")
