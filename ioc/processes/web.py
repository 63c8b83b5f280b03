"""`python -m ioc web`: answers browsers and source systems, until it is told to stop.

Live streams never end by themselves, so they are ended before the server waits for its connections. Refused: a store
of another version, a port that another program has, a client that takes for ever to say what it wants.
"""

import asyncio
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final

import uvicorn

from ioc import logs
from ioc.broker.open import open_broker
from ioc.errors import PortInUse
from ioc.processes.opening import wait_for_store
from ioc.processes.port import check_port
from ioc.processes.slow_clients import TimelyProtocol
from ioc.processes.stopping import stop_on_signals
from ioc.settings import Settings
from ioc.store.bounds import DatabaseRole
from ioc.store.engine import Store
from ioc.web.app import WebApp, build_app

GRACE_S: Final = 5
KEEP_ALIVE_S: Final = 75  # longer than the pauses of browsers and of most senders

log = logs.get_logger("ioc.web")


def main(settings: Settings) -> int:
    check_port(settings.host, settings.port)
    store = Store.open(settings.store, DatabaseRole.WEB)
    try:
        stop = stop_on_signals()
        if wait_for_store(store, stop):
            with closing(open_broker(settings)) as broker, listening(settings.host, settings.port) as sock:
                log.info("web listens", address=settings.public_url)
                asyncio.run(serve(build_app(settings, store, broker), sock, stop))
    finally:
        store.close()
    return 0


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket on that port; PortInUse if another program has it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP: asyncio turns off Nagle's algorithm (40 ms an answer) only where the protocol is named.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError as error:
            raise PortInUse(
                f"Port {port} on {host} cannot be used ({error.strerror}): stop the program that uses it,"
                " or choose another with IOC_PORT."
            ) from None
        yield sock


async def serve(web: WebApp, sock: socket.socket, stop: threading.Event) -> None:
    """Serve until SIGINT or SIGTERM; `stop` is set where one came before this."""
    config = uvicorn.Config(
        web.app,
        log_config=None,
        access_log=False,
        server_header=False,
        http=TimelyProtocol,
        lifespan="on",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    await _Server(config, web, stop).serve([sock])


class _Server(uvicorn.Server):
    """Ends the live streams first, and leaves the exit code to us."""

    def __init__(self, config: uvicorn.Config, web: WebApp, stop: threading.Event) -> None:
        super().__init__(config)
        self._web = web
        self._stop = stop

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._web.live.stop()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn does, without raising the signal again: being told to stop is no failure."""
        before = {one: signal.signal(one, self.handle_exit) for one in (signal.SIGINT, signal.SIGTERM)}
        self.should_exit |= self._stop.is_set()
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)
