"""The pages in a real browser: they live, age, come back, and ask no other host for anything."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.panels import factories
from tests.panels.gallery_server import Gallery, serving

pytestmark = pytest.mark.chromium

# Software rendering, so that the map's WebGL 2 works on a machine without a graphics card.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
]
START = factories.NOW
DRAWN = '[data-graph="map"][data-drawn]'
SCREENS = {
    "wall-4k": ("/wall/binh-duong", 3840, 2160),
    "wall": ("/wall/binh-duong", 1920, 1080),
    "wall-wide": ("/wall/binh-duong", 3840, 1440),
    "centre": ("/centre/ben-cat", 1920, 1080),
    "leader-landscape": ("/leader/binh-duong", 1180, 820),
    "leader-portrait": ("/leader/binh-duong", 820, 1180),
    "front": ("/", 1180, 820),
}


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(chromium), args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def scenes() -> Iterator[dict[str, str]]:
    """An address for each scene, at which time stands still."""
    with ExitStack() as running:
        yield {name: running.enter_context(serving(Gallery(name, lambda: START).app)) for name in factories.VIEWS}


@pytest.fixture
def gallery() -> Gallery:
    return Gallery()


@pytest.fixture
def address(gallery: Gallery) -> Iterator[str]:
    with serving(gallery.app) as address:
        yield address


@dataclass
class Seen:
    """What a context's pages asked for and complained of."""

    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


Opened = tuple[Page, Seen]
Open = Callable[..., Opened]


@pytest.fixture
def opened(browser: Browser, address: str) -> Iterator[Open]:
    """Open a path at a size; all other hosts are blocked, and what is asked of them is noted."""
    contexts: list[BrowserContext] = []

    def open_page(path: str, width: int = 1920, height: int = 1080, *, at: datetime | None = None) -> Opened:
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        seen = Seen()
        context.route(lambda url: not url.startswith((address, "data:", "blob:")), lambda route: route.abort())
        context.on("request", lambda request: seen.requests.append(request.url))
        page = context.new_page()
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        page.on("console", lambda said: seen.errors.append(said.text) if said.type == "error" else None)
        if at is not None:
            page.clock.install(time=at)
        page.goto(address + path)
        return page, seen

    yield open_page
    for context in contexts:
        context.close()


def _live(page: Page) -> None:
    page.wait_for_function("() => window.iocLive && window.iocLive.seq !== null")


def _card(page: Page, name: str, field_name: str) -> Any:
    return page.locator(f'[data-card="{name}"] [data-field="{field_name}"]')


@pytest.mark.parametrize("screen", sorted(SCREENS))
def test_no_request_leaves_the_machine(opened: Open, address: str, screen: str) -> None:
    path, width, height = SCREENS[screen]
    page, seen = opened(path, width, height)
    if path != "/":
        _live(page)
        page.wait_for_selector(DRAWN)
    else:
        page.wait_for_selector(".choice")
    page.wait_for_function("() => document.fonts.status === 'loaded'")
    foreign = [url for url in seen.requests if not url.startswith((address, "data:", "blob:"))]
    assert foreign == []
    assert seen.errors == []


def test_the_number_changes_in_place_when_the_server_says_so(opened: Open, gallery: Gallery) -> None:
    page, _ = opened("/wall/binh-duong")
    _live(page)
    before = page.locator('[data-card="traffic.speed"]').element_handle()
    expect(_card(page, "traffic.speed", "value")).to_have_text("27,4")
    gallery.send({"cards": [factories.card(value=31.26, now=gallery.now())]})
    expect(_card(page, "traffic.speed", "value")).to_have_text("31,3")
    expect(_card(page, "traffic.speed", "judged")).to_have_text("đạt mục tiêu")
    expect(page.locator('[data-field="kpis-note"]')).to_have_text("3 trên 5 chỉ tiêu chưa đạt")
    assert page.evaluate("() => window.iocLive.seq") == 2
    assert page.evaluate("card => card.isConnected", before)


def test_the_trend_grows_at_its_end(opened: Open, gallery: Gallery) -> None:
    page, _ = opened("/wall/binh-duong")
    _live(page)
    line = "() => document.querySelector('[data-graph=trend] .js-plotly-plot')?.data?.[0].y ?? []"
    page.wait_for_function(f"() => ({line})().length > 90")
    last = factories.points(gallery.now())[-1][0]
    gallery.send({"trend": {"points": [[last, 33.3, False]]}})
    page.wait_for_function(f"() => ({line})().at(-1) === 33.3")
    gallery.send({"trend": {"points": [[last + factories.STEP_MS, 35.5, False]]}})
    page.wait_for_function(f"() => ({line})().at(-1) === 35.5")
    drawn = page.evaluate(line)
    assert drawn[-2] == 33.3
    assert None in drawn[:90], "a gap stays a gap"


def test_roads_and_units_on_the_map_follow(opened: Open, gallery: Gallery) -> None:
    page, _ = opened("/wall/binh-duong")
    _live(page)
    page.wait_for_selector(DRAWN)
    traces = "() => document.querySelector('[data-graph=map] .js-plotly-plot').data"
    congested = page.evaluate(f"() => ({traces})()[5].lon.filter((x) => x === null).length")
    assert congested == 3
    free = next(one for one in factories.segments(now=gallery.now()) if (one["value"] or 0) > 40)
    gallery.send({"segments": [{**free, "congested": True, "value": 5.0}]})
    page.wait_for_function(f"() => ({traces})()[5].lon.filter((x) => x === null).length === 4")
    rows = factories.units(now=gallery.now())
    rows[0] = {**rows[0], "value": 99.0, "gap": -4.0}
    gallery.send({"units": rows})
    expect(page.locator(".unit-row").first.locator('[data-field="value"]')).to_have_text("99,0\u00a0%")
    page.wait_for_function(
        f"([unit]) => {{ const one = ({traces})()[1]; return one.z[one.locations.indexOf(unit)] === 1.5; }}",
        arg=[rows[0]["unit"]],
    )


def test_values_age_in_front_of_the_viewer(browser: Browser) -> None:
    start = datetime(2026, 11, 20, 10, 42, 8, tzinfo=UTC)
    gallery = Gallery(now=lambda: start)
    with serving(gallery.app) as address:
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        # The server's clock is another one: ages count from what it says.
        page.clock.install(time=start + timedelta(hours=5))
        page.goto(address + "/wall/binh-duong")
        _live(page)
    # From here on nothing comes any more.
    speed = page.locator('[data-card="traffic.speed"]')
    seen = []
    for seconds in (20, 80, 120, 600):
        page.clock.run_for(seconds * 1000)
        seen.append(
            (
                speed.get_attribute("data-state"),
                speed.get_attribute("data-verdict"),
                _card(page, "traffic.speed", "state-word").text_content(),
                _card(page, "traffic.speed", "value").text_content(),
            )
        )
    assert seen == [
        ("on_time", "missed", "", "27,4"),
        ("late", "missed", "trễ", "27,4"),
        ("stale", "", "cũ", "27,4"),
        ("silent", "", "mất tín hiệu", "–"),
    ]
    assert _card(page, "traffic.speed", "target").text_content() == "lần cuối 27,4\u00a0km/h, 17:42"
    # Dossiers arrive by day: a quarter of an hour is nothing to them.
    expect(page.locator('[data-card="dossiers.on_time_rate"]')).to_have_attribute("data-state", "on_time")
    page.close()


def test_a_lost_connection_is_said_and_ages_go_on(browser: Browser) -> None:
    start = datetime(2026, 11, 20, 10, 42, 8, tzinfo=UTC)
    gallery = Gallery(now=lambda: start)
    with serving(gallery.app) as address:
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        page.clock.install(time=start)
        page.goto(address + "/wall/binh-duong")
        _live(page)
        expect(page.locator('[data-field="connection"]')).to_have_text("đang nối, cập nhật liên tục")
    expect(page.locator("html")).to_have_attribute("data-connection", "lost")
    page.clock.run_for(14_000)
    said = page.locator('[data-field="connection"]').text_content() or ""
    assert said.startswith("mất kết nối máy chủ 0:1")
    assert page.locator(".connection").get_attribute("data-state") == "silent"
    page.clock.run_for(120_000)
    expect(page.locator('[data-card="traffic.speed"]')).to_have_attribute("data-state", "late")
    expect(page.locator('.source-row [data-field="state-word"]').nth(1)).to_have_text("không rõ")
    page.close()


def test_the_page_comes_back_with_a_snapshot_when_the_server_does(browser: Browser) -> None:
    first = Gallery()
    with serving(first.app) as address:
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        page.goto(address + "/wall/binh-duong")
        _live(page)
    expect(page.locator("html")).to_have_attribute("data-connection", "lost")
    with serving(Gallery("silent").app, int(address.rpartition(":")[2])):
        expect(page.locator("html")).to_have_attribute("data-connection", "live", timeout=20_000)
        expect(_card(page, "traffic.speed", "value")).to_have_text("–")
        assert page.evaluate("() => window.iocLive.snapshots") == 2
    page.close()


def test_a_gap_in_the_counter_fetches_a_snapshot(opened: Open, gallery: Gallery) -> None:
    page, _ = opened("/centre/ben-cat")
    _live(page)
    gallery.scene = "silent"
    gallery.send({"n": 7, "cards": []})
    page.wait_for_function("() => window.iocLive.snapshots === 2 && window.iocLive.seq === 1")
    expect(_card(page, "traffic.speed", "value")).to_have_text("–")


HEAD = """[...document.querySelectorAll('.head h1, .head .connection, .head .date, .head .clock, .head .switches a')]
  .map((one) => one.getBoundingClientRect()).filter((box) => box.width)
  .map((box) => [box.left, box.top, box.right, box.bottom])"""


@pytest.mark.parametrize("screen", ["wall", "centre", "leader-portrait"])
@pytest.mark.parametrize(
    ("notice", "said"),
    [
        ("disk_low", "ổ đĩa sắp đầy, tạm ngừng nhận tin"),
        ("messages_lost", "mất một đoạn tin trong 24 giờ qua"),
    ],
)
def test_a_notice_stands_where_the_connection_is_said_and_touches_nothing(
    opened: Open, gallery: Gallery, screen: str, notice: str, said: str
) -> None:
    path, width, height = SCREENS[screen]
    page, _ = opened(path, width, height)
    _live(page)
    gallery.send({"n": 2, "notices": [notice]})
    expect(page.locator('[data-field="connection"]')).to_have_text(said)
    expect(page.locator(".connection")).to_have_attribute("data-state", "late")
    boxes = page.evaluate(HEAD)
    touching = [
        (one, other)
        for number, one in enumerate(boxes)
        for other in boxes[:number]
        if one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
    ]
    assert touching == []
    assert all(right <= width for _, _, right, _ in boxes)
    gallery.send({"n": 3, "notices": []})
    expect(page.locator('[data-field="connection"]')).to_have_text("đang nối, cập nhật liên tục")


def test_a_refused_stream_says_that_the_session_is_over(opened: Open, gallery: Gallery) -> None:
    page, _ = opened("/leader/binh-duong")
    _live(page)
    page.route("**/live?*", lambda route: route.fulfill(status=401))
    page.route("**/leader/*", lambda route: route.fulfill(status=303, headers={"location": "/sign-in"}))
    gallery.send({"n": 9})
    expect(page.locator("html")).to_have_attribute("data-session", "over", timeout=20_000)
    expect(page.locator('[data-field="connection"]')).to_contain_text("Phiên làm việc đã hết")


GRAPHS = "**/plotly.min*"  # what does not look at graphs does without them, and is five times faster
SAID = """[...document.querySelectorAll('[data-card], .unit-row, .segment-row, .source-row, .band, .heading')]
    .map((one) => [one.hidden, one.dataset.state, one.dataset.verdict, one.dataset.kind, one.textContent])"""


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("scene", sorted(factories.VIEWS))
@pytest.mark.parametrize("page_name", ["wall", "centre", "leader"])
def test_server_and_browser_say_the_same(
    browser: Browser, scenes: dict[str, str], page_name: str, scene: str, language: str
) -> None:
    """The page as the server drew it, without the script; and as the script left it: the same at the same second."""
    url = f"{scenes[scene]}/{page_name}/ben-cat?lang={language}"
    page = browser.new_page()
    page.route("**/live.js*", lambda route: route.abort())
    page.route(GRAPHS, lambda route: route.abort())
    page.goto(url)
    page.wait_for_selector("#panels-view")
    drawn = page.evaluate(f"() => {SAID}")
    page.unroute("**/live.js*")
    page.clock.set_fixed_time(START)
    page.goto(url)
    # In the same frame as the snapshot, before a second passes.
    lived = page.wait_for_function(f"() => window.iocLive?.snapshots === 1 && {SAID}")
    assert lived.json_value() == drawn
    page.close()


@pytest.mark.parametrize(
    ("path", "width", "height"),
    [("/wall/binh-duong", 1920, 1080), ("/wall/binh-duong", 3840, 2160), ("/centre/ben-cat", 1920, 1080)],
)
@pytest.mark.parametrize("language", ["vi", "en"])
def test_nothing_scrolls_and_no_text_is_cut(opened: Open, path: str, width: int, height: int, language: str) -> None:
    page, _ = opened(f"{path}?lang={language}", width, height)
    _live(page)
    page.wait_for_selector(DRAWN)
    size = page.evaluate("() => [document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    assert size == [width, height]
    cut = page.evaluate(
        """() => [...document.querySelectorAll(
          '.card *, .head *, .band *, .source-row *, .wall .unit-row *, .legend *'
        )].filter((one) => one.checkVisibility() && !one.matches('.heard, .heard *') && one.textContent.trim()
          && one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display !== 'inline')
        .map((one) => one.className + ': ' + one.textContent)"""
    )
    assert cut == []


OVERLAPS = """() => {
  const boxes = [...document.querySelectorAll('.card')].flatMap((card) => {
    const shown = [...card.children].filter((one) => one.checkVisibility());
    const parts = shown.filter((one) => one.textContent.trim() || one.querySelector("svg"));
    return parts.map((one) => {
      if (one.matches(".spark")) return [card.dataset.card, one.className, one.getBoundingClientRect()];
      // What is painted: pictures, and text that is not for screen readers only.
      const range = document.createRange();
      const painted = [...one.querySelectorAll("svg")].map((picture) => picture.getBoundingClientRect());
      const texts = document.createTreeWalker(one, NodeFilter.SHOW_TEXT);
      while (texts.nextNode()) {
        const text = texts.currentNode;
        if (!text.data.trim() || text.parentElement.closest(".heard")) continue;
        range.selectNodeContents(text);
        painted.push(range.getBoundingClientRect());
      }
      const shapes = painted.filter((box) => box.width);
      const { top, bottom } = one.getBoundingClientRect();
      const left = Math.min(...shapes.map((box) => box.left));
      const right = Math.max(...shapes.map((box) => box.right));
      return [card.dataset.card, one.className, { left, right, top, bottom }];
    });
  });
  const found = [];
  boxes.forEach(([name, part, a]) => {
    const card = document.querySelector(`[data-card="${name}"]`).getBoundingClientRect();
    if (a.left < card.left - 1 || a.right > card.right + 1) found.push(`${name}: ${part} leaves the card`);
  });
  boxes.forEach(([card, name, a], i) => boxes.slice(i + 1).forEach(([other, name2, b]) => {
    if (card === other && a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3)
      found.push(`${card}: ${name} and ${name2}`);
  }));
  return found;
}"""


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("scene", sorted(factories.VIEWS))
@pytest.mark.parametrize("screen", ["wall", "wall-wide", "centre", "leader-landscape", "leader-portrait"])
def test_the_parts_of_a_card_do_not_touch(
    browser: Browser, scenes: dict[str, str], screen: str, scene: str, language: str
) -> None:
    path, width, height = SCREENS[screen]
    page = browser.new_page(viewport={"width": width, "height": height})
    page.route(GRAPHS, lambda route: route.abort())
    page.goto(f"{scenes[scene]}{path}?lang={language}")
    _live(page)
    page.wait_for_function("() => document.fonts.status === 'loaded'")
    assert page.evaluate(OVERLAPS) == []
    page.close()


def test_the_language_is_switched_and_kept(opened: Open) -> None:
    page, _ = opened("/leader/binh-duong", 1180, 820)
    _live(page)
    page.get_by_role("link", name="EN").click()
    expect(page.locator("h2").first).to_contain_text("Where do we stand?")
    expect(_card(page, "dossiers.open_now", "value")).to_have_text("5,894")
    page.goto(page.url.partition("?")[0])
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("h2").first).to_contain_text("Where do we stand?")


def test_dash_sends_the_csrf_cookie_back(opened: Open, gallery: Gallery) -> None:
    page, _ = opened("/leader/binh-duong")
    _live(page)
    cookies = {one["name"]: one["value"] for one in page.context.cookies()}
    assert "ioc_csrf" in cookies
    assert gallery.callback_headers
    assert all(len(one.get("x-csrftoken", "")) > 5 for one in gallery.callback_headers)


def test_numbers_are_formatted_alike_here_and_there(opened: Open) -> None:
    from ioc.panels.formats import number

    page, _ = opened("/wall/binh-duong")
    _live(page)
    values = [0, 0.5, 1.5, 2.5, 1.005, 84.05, 94.95, -4.94, -0.04, 1586, 1234567.891, 99.949999]
    for decimals in (0, 1, 2):
        shown = page.evaluate("([all, d]) => all.map((one) => window.iocPanels.number(one, d))", [values, decimals])
        assert shown == [number(value, decimals, "vi") for value in values]


def test_a_device_without_webgl_still_has_a_page(browser: Browser) -> None:
    with serving(Gallery().app) as address:
        page = browser.new_page()
        page.add_init_script(
            "HTMLCanvasElement.prototype.getContext = ((own) => function (kind, ...more) {"
            " return kind.startsWith('webgl') ? null : own.call(this, kind, ...more); })"
            "(HTMLCanvasElement.prototype.getContext)"
        )
        page.goto(f"{address}/leader/binh-duong")
        _live(page)
        expect(page.locator('[data-field="map-impossible"]')).to_be_visible()
        expect(_card(page, "traffic.speed", "value")).to_have_text("27,4")
        page.close()


PICTURES = [
    (screen, scene, language)
    for screen in SCREENS
    for scene in factories.VIEWS
    for language in ("vi", "en")
    if os.environ.get("IOC_PROVE") or (screen, scene, language) == ("wall", "busy", "vi")
]


@pytest.mark.parametrize(("screen", "scene", "language"), PICTURES)
def test_a_picture_has_all_its_parts(
    browser: Browser, scenes: dict[str, str], tmp_path: Path, screen: str, scene: str, language: str
) -> None:
    """To be looked at: they are kept in `out/pictures` by `IOC_PROVE=1`."""
    path, width, height = SCREENS[screen]
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(f"{scenes[scene]}{path}?lang={language}")
    page.wait_for_selector("#panels-view, #panels-front")
    if path != "/":
        _live(page)
        page.wait_for_selector(DRAWN)
        page.wait_for_function("() => document.fonts.status === 'loaded'")
    folder = Path("out/pictures") if os.environ.get("IOC_PROVE") else tmp_path
    picture = page.screenshot(path=folder / f"{screen}-{scene}-{language}.png")
    assert len(picture) > 20_000
    page.close()


def test_the_document_that_the_page_carries_is_whole(opened: Open) -> None:
    page, _ = opened("/wall/binh-duong")
    carried = json.loads(page.locator("#panels-view").get_attribute("data-document") or "{}")
    assert set(carried) == set(factories.view())
