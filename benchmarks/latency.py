"""From a message that the intake has accepted to the changed number in a real browser, at the default rate.

250 road segments send one message a minute each, one request per message, evenly spread. The wall of the provincial
centre is open in Chromium. Every sixth message is a probe: it speaks of so many vehicles, alternately very slow and
very fast ones, that the mean speed on the wall must jump up or down; the others weigh next to nothing. A probe's time
runs from the intake's answer to the animation frame in which the wall shows the jump. A second kind of probe turns a
jam on or off at one segment, which the card of congested segments must count: that number is made by `jobs`.

All clocks are this machine's one clock.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from playwright.sync_api import Page, sync_playwright

from benchmarks import messages
from benchmarks.centre import shipped_centre
from benchmarks.machine import loop_rate
from benchmarks.report import Figure, Report, measured, percentile
from benchmarks.sender import Sender
from ioc.model.province_files import read_province
from ioc.model.windows import MINUTE
from ioc.processes import accounts
from ioc.processes.clock import milliseconds_now
from ioc.settings import Settings

GOAL_S: Final = 1.0
SEGMENTS: Final = 250
EVERY_S: Final = 60 / SEGMENTS
PROBE_EVERY: Final = 6
PATIENCE_S: Final = 10.0
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")

# A probe outweighs everything else in the five minutes that a current value spans, a minute of which is the interval
# that a message speaks of. What comes later would find the first probes gone from the value.
PROBE_VEHICLES: Final = 100_000
LONGEST_S: Final = 225.0
SLOW, FAST = 5.0, 95.0

_WATCH: Final = """(card) => {
  const target = document.querySelector(`[data-card="${card}"] [data-field="value"]`);
  const shown = (window.benchmarkShown = window.benchmarkShown || {});
  shown[card] = [[Date.now(), target.textContent]];
  const note = () => requestAnimationFrame(() => shown[card].push([Date.now(), target.textContent]));
  new MutationObserver(note).observe(target, { characterData: true, childList: true, subtree: true });
}"""


@dataclass(frozen=True, slots=True)
class Size:
    """How many probes of speed (at most), and of jams."""

    speeds: int
    jams: int
    with_past: bool


FULL: Final = Size(speeds=105, jams=30, with_past=True)
TINY: Final = Size(speeds=3, jams=2, with_past=False)


def run(size: Size = FULL) -> Report:
    loops = [loop_rate() / 1e6]
    with shipped_centre() as centre:
        if size.with_past:
            centre.live_through_a_first_start(until=centre.is_ready)
        for program in ("web", "ingest", "jobs"):
            centre.start(program)
        centre.wait(centre.is_ready, "ready")
        with Sender(centre.settings, "benchmark") as sender, _wall(centre.settings) as wall:
            traffic = _Traffic(centre.settings, sender)
            speeds = _probe_speeds(_Watch(wall, "traffic.speed"), traffic, size.speeds)
            jams = _probe_jams(_Watch(wall, "traffic.congested_segments"), traffic, size.jams)
    loops.append(loop_rate() / 1e6)
    past = "a day of traffic and ninety days of dossiers" if size.with_past else "nothing else"
    workload = (
        f"{SEGMENTS} segments, one message a minute each, one request per message; the store holds {past}",
        "the wall of the provincial centre in headless Chromium on this machine, web, ingest and jobs beside it",
        "from the intake's answer to the animation frame that shows the probe's effect",
    )
    figures = [measured("machine: plain Python", loops, "M turns/s", 1)]
    for name, seconds in (("mean speed", speeds), ("congested segments", jams)):
        p95 = percentile(seconds, 0.95)
        figures += [
            measured(f"{name} changed: median of {len(seconds)}", seconds, "s", 2),
            Figure(f"{name} changed: p95", f"{p95:.2f} s", goal=f"≤ {GOAL_S:g} s", is_met=p95 <= GOAL_S),
        ]
    return Report("latency", workload, figures)


class _Traffic:
    """The default rate: each call sends one message when it is due."""

    def __init__(self, settings: Settings, sender: Sender) -> None:
        territory = read_province(settings.province_dir / settings.province).territory
        *self._segments, self.jammed = [asset.id for asset in territory.assets if asset.kind == "road_segment"]
        self._sender = sender
        self._sent = 0
        self._due = time.monotonic()
        self._weight = self._weighted = 0.0

    @property
    def mean_speed(self) -> float:
        """Of all that was sent so far."""
        return self._weighted / self._weight

    def send_others(self) -> None:
        """The messages that stand between two probes."""
        for _ in range(PROBE_EVERY - 1):
            self.send()

    def send(self, *, vehicles: int = 1, speed: float = 50.0) -> float:
        """What the next segment says; the moment (UTC seconds) at which the intake has accepted it."""
        self._weight += vehicles
        self._weighted += vehicles * speed
        asset = self._segments[self._sent % len(self._segments)]
        now = milliseconds_now()
        return self._post(messages.flow(asset, now - MINUTE, now, intensity=vehicles, speed=speed))

    def send_jam(self, *, is_on: bool) -> float:
        """One segment, which says nothing else, is congested or is no longer."""
        now = milliseconds_now()
        plain = messages.flow(self.jammed, now - MINUTE, now, intensity=1, speed=50.0)
        return self._post(plain.replace(b'"laneId":1', b'"congested":true' if is_on else b'"congested":false'))

    def _post(self, body: bytes) -> float:
        time.sleep(max(0.0, self._due - time.monotonic()))
        self._due = max(self._due + EVERY_S, time.monotonic())
        self._sent += 1
        self._sender.post(body, 1)
        return time.time()


class _Watch:
    """What a card of the wall shows, from now on, with the moment of each change."""

    def __init__(self, wall: Page, card: str) -> None:
        self._wall = wall
        self._card = card
        wall.evaluate(_WATCH, card)

    def changed(self, since: float, answers: Callable[[float], bool]) -> float:
        """Seconds from `since` (UTC) until a number was shown that answers; RuntimeError if none comes."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            shown: list[tuple[float, str]] = self._wall.evaluate("(card) => window.benchmarkShown[card]", self._card)
            for at, text in shown:
                number = _number(text)
                if at / 1000 >= since and number is not None and answers(number):
                    return at / 1000 - since
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self._card} did not answer within {PATIENCE_S:g} s; last shown: {shown[-3:]}")
            self._wall.wait_for_timeout(20)


def _number(text: str) -> float | None:
    """A number as the wall writes it in Vietnamese; None where it has none."""
    try:
        return float(text.replace(".", "").replace(",", "."))
    except ValueError:
        return None


def _probe_speeds(watch: _Watch, traffic: _Traffic, count: int) -> list[float]:
    accepted = traffic.send(vehicles=PROBE_VEHICLES, speed=SLOW)
    watch.changed(accepted, lambda shown: abs(shown - SLOW) < 1)
    seconds: list[float] = []
    began = time.monotonic()
    while len(seconds) < count and time.monotonic() - began < LONGEST_S:
        traffic.send_others()
        before = traffic.mean_speed
        accepted = traffic.send(vehicles=PROBE_VEHICLES, speed=SLOW if len(seconds) % 2 else FAST)
        after = traffic.mean_speed
        traffic.send_others()
        seconds.append(watch.changed(accepted, partial(_is_nearer, after, before)))
    return seconds


def _is_nearer(after: float, before: float, shown: float) -> bool:
    return abs(shown - after) < abs(shown - before)


def _probe_jams(watch: _Watch, traffic: _Traffic, count: int) -> list[float]:
    traffic.send_jam(is_on=False)
    watch.changed(0.0, lambda shown: shown == 0)
    seconds: list[float] = []
    while len(seconds) < count:
        is_on = len(seconds) % 2 == 0
        accepted = traffic.send_jam(is_on=is_on)
        traffic.send_others()
        seconds.append(watch.changed(accepted, partial(float.__eq__, float(is_on))))
    return seconds


@contextmanager
def _wall(settings: Settings) -> Iterator[Page]:
    """The wall of the provincial centre, signed in, following its stream."""
    program = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if program is None:
        raise RuntimeError("no Chromium was found: `scripts/services chromium` gets it")
    _, link = accounts.make_first_links(settings)[0]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            page = browser.new_page(viewport={"width": 1920, "height": 1080})
            page.goto(link)
            page.wait_for_selector("[data-card]")
            while page.evaluate("() => window.iocLive.seq === null"):
                page.wait_for_timeout(50)
            yield page
        finally:
            browser.close()
