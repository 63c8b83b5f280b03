"""The gate under a real server, on loopback: WebSockets, chunked bodies, broken answers, access logs, a browser."""

import http.client
import io
import logging
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from playwright.sync_api import sync_playwright
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from ioc.operations import access
from tests.access.conftest import ROOT, Centre

SOCKET = "/_dash-ws-callback"


@pytest.fixture
def serve(make_centre: Callable[..., Centre]) -> Iterator[Callable[..., tuple[Centre, str]]]:
    """Start a centre on a free port: the centre, and the URL at which it answers."""
    running: list[tuple[uvicorn.Server, threading.Thread, socket.socket]] = []

    def start(**changed: str) -> tuple[Centre, str]:
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        centre = make_centre(public_url=url, **changed)
        # The application server's own log of requests stays on here, to see that nothing secret gets into it.
        config = uvicorn.Config(centre.gate, log_config=None, server_header=False, lifespan="off")
        server = uvicorn.Server(config)
        started = threading.Event()
        startup = server.startup

        async def say_started(sockets: list[socket.socket] | None = None) -> None:
            await startup(sockets)
            started.set()

        server.startup = say_started  # type: ignore[method-assign]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        running.append((server, thread, listening))
        assert started.wait(60)
        return centre, url

    yield start
    for server, thread, listening in running:
        server.should_exit = True
        thread.join(60)
        listening.close()
        assert not thread.is_alive()


@contextmanager
def signed_in(centre: Centre, url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"Origin": url}, timeout=60) as browser:
        assert browser.post("/sign-in/once", data={"token": centre.link()}).status_code == 303
        yield browser


def cookies_of(browser: httpx.Client) -> dict[str, str]:
    return {"Cookie": f"ioc_session={browser.cookies['ioc_session']}"}


# --- WebSockets ------------------------------------------------------------------------------------------------


def test_a_websocket_with_a_session_works(serve: Callable[..., tuple[Centre, str]]) -> None:
    centre, url = serve()
    with signed_in(centre, url) as browser:
        cookies = cookies_of(browser)
    address = url.replace("http", "ws") + SOCKET
    with connect(address, additional_headers=cookies, origin=Origin(url)) as client:
        client.send("x")
        assert client.recv() == "x"


@pytest.mark.parametrize(
    ("with_cookie", "headers"),
    [
        (False, {"Origin": "own"}),
        (True, {}),
        (True, {"Origin": "https://evil.example"}),
        (True, {"Origin": "null"}),
        (True, {"Origin": "own", "Authorization": "Bearer x"}),
        (True, {"Origin": "own", "Host": "evil.example"}),
    ],
)
def test_a_websocket_is_refused_before_it_is_accepted(
    serve: Callable[..., tuple[Centre, str]], with_cookie: bool, headers: dict[str, str]
) -> None:
    centre, url = serve()
    stated = {name: url if value == "own" else value for name, value in headers.items()}
    if with_cookie:
        with signed_in(centre, url) as browser:
            stated |= cookies_of(browser)
    wanted = {
        "Host": url.removeprefix("http://"),
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    connection.putrequest("GET", SOCKET, skip_host=True)
    for name, value in {**wanted, **stated}.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 403
    connection.close()
    assert centre.asked == []


def test_a_key_opens_no_websocket(serve: Callable[..., tuple[Centre, str]]) -> None:
    centre, url = serve()
    headers = {"Authorization": f"Bearer {centre.key()}"}
    with (
        pytest.raises(InvalidStatus, match="403"),
        connect(url.replace("http", "ws") + SOCKET, additional_headers=headers, origin=Origin(url)),
    ):
        pass


def test_an_open_websocket_ends_with_its_session(serve: Callable[..., tuple[Centre, str]]) -> None:
    centre, url = serve()
    with signed_in(centre, url) as browser:
        cookies = cookies_of(browser)
    address = url.replace("http", "ws") + SOCKET
    with connect(address, additional_headers=cookies, origin=Origin(url)) as client:
        client.send("x")
        assert client.recv() == "x"
        access.disable_person(ROOT, centre.store, login="lan", now=centre.clock.now)
        centre.clock.turn(6)
        client.send("y")
        with pytest.raises(ConnectionClosed) as closed:
            client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401


def test_a_websocket_takes_no_message_above_the_limit(serve: Callable[..., tuple[Centre, str]]) -> None:
    centre, url = serve(max_body_bytes="65536", max_message_bytes="65536")
    with signed_in(centre, url) as browser:
        cookies = cookies_of(browser)
    address = url.replace("http", "ws") + SOCKET
    with connect(address, additional_headers=cookies, origin=Origin(url)) as client:
        client.send("x" * 65_537)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


# --- HTTP ------------------------------------------------------------------------------------------------------


def test_a_chunked_body_above_the_limit_is_cut_off(serve: Callable[..., tuple[Centre, str]]) -> None:
    centre, url = serve(max_body_bytes="65536", max_message_bytes="65536")
    key = {"Authorization": f"Bearer {centre.key()}"}

    def parts() -> Iterator[bytes]:
        for _ in range(7):
            yield b"x" * 10_000

    with httpx.Client(base_url=url, timeout=60) as sender:
        answer = sender.post("/api/v1/feeds/traffic/messages", content=parts(), headers=key)
        assert answer.status_code == 413
        assert "server" not in answer.headers


def test_an_answer_that_breaks_off_shows_no_insides(serve: Callable[..., tuple[Centre, str]]) -> None:
    centre, url = serve()
    seen = []
    with signed_in(centre, url) as browser, browser.stream("GET", "/half") as answer:
        parts = answer.iter_bytes()
        seen.append(next(parts))
        with pytest.raises(httpx.RemoteProtocolError):
            next(parts)
    assert seen == [b"first"]


def test_the_servers_log_of_requests_shows_no_link(
    serve: Callable[..., tuple[Centre, str]], log_text: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = logging.getLogger("uvicorn.access")
    requests.setLevel(logging.INFO)
    monkeypatch.setattr(requests, "propagate", True)  # a server of ours in this process has turned it off
    centre, url = serve()
    link = centre.link()
    with httpx.Client(base_url=url, headers={"Origin": url}, timeout=60) as browser:
        assert browser.get(f"/sign-in/once/{link}").status_code == 200
        browser.post("/sign-in/once", data={"token": link})
    text = log_text.getvalue()
    assert "/sign-in/once/redacted" in text
    assert link not in text


# --- a browser -------------------------------------------------------------------------------------------------


@pytest.mark.chromium
def test_a_link_clicked_on_a_foreign_page_leads_in_with_a_strict_cookie(
    serve: Callable[..., tuple[Centre, str]],
) -> None:
    centre, url = serve()
    foreign = url.replace("127.0.0.1", "localhost")  # another site to the browser, the same server to us
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = chromium.new_page()
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text if message.type == "error" else ""))

        def click_there(target: str) -> None:
            page.goto(f"{foreign}/healthz")
            page.set_content(f'<a href="{target}">go</a>')
            page.click("a")

        click_there(f"{url}/sign-in/once/{centre.link()}")
        page.wait_for_url(f"{url}/wall/binh-duong")
        assert page.inner_text("p") == "binh-duong"
        flags = {cookie["name"]: cookie for cookie in page.context.cookies(url)}
        assert flags["ioc_session"]["httpOnly"]
        assert flags["ioc_session"]["sameSite"] == "Strict"
        assert page.evaluate("document.cookie").startswith("ioc_csrf=")

        # Signed in already: a foreign link to a page arrives there, though its first request has no cookie.
        click_there(f"{url}/wall/ben-cat")
        page.wait_for_url(f"{url}/wall/ben-cat")
        page.wait_for_selector("text=ben-cat")
        assert page.inner_text("body") == "ben-cat"

        page.context.clear_cookies()
        page.goto(f"{url}/wall/binh-duong")
        page.wait_for_url(f"{url}/sign-in?next=%2Fwall%2Fbinh-duong")
        page.fill("#login", "lan")
        page.fill("#password", "wrong")
        page.click("button")
        page.wait_for_selector("[role=alert]")
        assert page.evaluate("document.activeElement.id") == "password"
        page.fill("#password", "một mật khẩu dài")
        page.click("button")
        page.wait_for_url(f"{url}/wall/binh-duong")
        chromium.close()
    # The icon that a browser asks for by itself is not there; everything else would be a breach of the policy.
    assert {problem for problem in problems if not problem.startswith("Failed to load resource")} <= {""}
    assert "binh-duong" in centre.asked
