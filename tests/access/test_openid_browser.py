"""The whole way in a real browser: our page, the provider's form on another site, and back with the Strict cookie."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Request, expect, sync_playwright

from tests.access.conftest import Centre
from tests.access.openid_visits import ACCOUNTS, AT_PROVIDER, CALLBACK, COOKIE
from tests.access.test_server import serve  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from scripts.parts.openid import OpenId

pytestmark = [pytest.mark.openid, pytest.mark.chromium]


@pytest.fixture(scope="session")
def database() -> None:
    """What a browser does is the same over any database."""


@pytest.fixture
def provider(tmp_path: Path) -> "Iterator[OpenId]":
    from scripts.parts.openid import OpenId

    made = OpenId(tmp_path / "openid", accounts=ACCOUNTS)
    made.start()
    yield made
    made.kill()


def test_a_person_comes_in_through_the_provider(
    serve: Callable[..., tuple[Centre, str]],  # noqa: F811
    provider: "OpenId",
    chromium: Path,
) -> None:
    centre, url = serve(
        openid_issuer=provider.issuer, openid_client_id=provider.client, openid_client_secret=provider.secret
    )
    centre.clock.now = datetime.now(UTC)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=["--no-sandbox"])
        context = browser.new_context(locale="vi-VN")
        page = context.new_page()
        asked: list[Request] = []
        page.on("request", lambda request: asked.append(request))
        page.goto(f"{url}/wall/binh-duong")
        page.get_by_role("link", name="Đăng nhập bằng tài khoản của tỉnh").click()
        page.wait_for_url(f"{provider.issuer}/**")
        # While the browser is at the provider, it has the cookie of the round trip, and no session.
        kept = {one["name"]: one for one in context.cookies(url + CALLBACK)}
        assert set(kept) == {COOKIE}
        assert (kept[COOKIE]["sameSite"], kept[COOKIE]["httpOnly"], kept[COOKIE]["path"]) == ("Lax", True, CALLBACK)
        page.locator("input[name=login]").fill("lan")
        page.locator("input[name=password]").fill(AT_PROVIDER)
        page.get_by_role("button", name="Enter").click()
        page.wait_for_url(f"{url}/wall/binh-duong")
        expect(page.locator("p")).to_have_text("binh-duong")
        cookies = {one["name"]: one for one in context.cookies(url)}
        assert COOKIE not in cookies
        assert cookies["ioc_session"]["sameSite"] == "Strict"
        # The request that the page came with had the session: it did not take a second one to get there.
        last = [one for one in asked if one.url == f"{url}/wall/binh-duong"][-1]
        headers = last.all_headers()
        assert f"ioc_session={cookies['ioc_session']['value']}" in headers["cookie"]
        assert headers["sec-fetch-site"] == "same-origin"
        assert sum(one.url == f"{url}/wall/binh-duong" for one in asked) == 2
        # The address with the code is not a page to go back to.
        page.go_back()
        assert CALLBACK not in page.url
        browser.close()
