"""One way for a long-running program to be told to stop: SIGINT or SIGTERM set an event that its loop waits on."""

import signal
import threading
from types import FrameType


def stop_on_signals() -> threading.Event:
    """An event that is set by the first SIGINT or SIGTERM; the loop ends after the step it is in."""
    stop = threading.Event()

    def _stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    return stop
