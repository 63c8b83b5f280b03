"""Live topics: streams of everybody, open at once, while all places are told anew; first the others, then their own."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from ioc.store.engine import Store
from ioc.web.app import WebApp
from tests.access_matrix.canaries import FOREIGN, FRESH, GROUPS, MARKS, NUMBERS, OWN, tell_anew
from tests.access_matrix.everybody import Somebody
from tests.access_matrix.matrix import Findings
from tests.access_matrix.wire import Answer, Asked, Headers, ask, has_begun

WITHIN_S: Final = 50.0
LOOK_EVERY_S: Final = 0.05
_OTHERS: Final = tuple(group for group in GROUPS if group != OWN)

Stream = tuple[Somebody, Asked]


async def listen_to_all(
    web: WebApp, store: Store, topics: tuple[Asked, ...], people: Mapping[Somebody, Headers], findings: Findings
) -> int:
    """Open every topic for everybody, tell all places anew, and look at what each heard; how many were open."""
    left = asyncio.Event()
    heard: dict[Stream, Answer] = {}

    async def listen(stream: Stream) -> Answer:
        def note(answer: Answer) -> bool:
            heard[stream] = answer
            return False

        who, topic = stream
        return await ask(web.app, topic, people[who], enough=note, left=left)

    tasks = {(who, topic): asyncio.create_task(listen((who, topic))) for who in people for topic in topics}
    await _until(lambda: all(task.done() or has_begun(heard.get(key, Answer())) for key, task in tasks.items()))
    opened = [key for key, task in tasks.items() if not task.done()]
    # One after the other: whoever hears of their own place must have had the chance to hear of the others before.
    for second, (groups, group) in enumerate(((_OTHERS, FOREIGN), ((OWN,), OWN))):
        await asyncio.to_thread(tell_anew, store, groups, second)
        number = str(NUMBERS[group] + FRESH).encode()
        concerned = [key for key in opened if f"c-{MARKS[group]}" in key[1].query]
        assert concerned, f"nobody could listen to {group}"
        await _until(lambda: all(number in heard[key].body for key in concerned))  # noqa: B023 - awaited at once
    left.set()
    for (who, topic), task in tasks.items():
        findings.topics.add(topic.query)
        findings.look(who, topic, await task)
    return len(opened)


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not is_so():
            await asyncio.sleep(LOOK_EVERY_S)
