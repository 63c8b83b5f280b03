import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from simulators.errors import KeyRefused, NotAnIntake, ServerAway
from simulators.intake import Intake, retry_after
from simulators.places import Territory
from simulators.province import Request
from tests.simulators.peer import KEY, Bad, Peer

ONE = Request("traffic", b'{"id":"a"}\n{"id":"b"}', 2)


def talk(peer: Peer, work: Callable[[Intake], Awaitable[object]], key: str = KEY, patience: float = 20) -> Intake:
    said: list[str] = []

    async def whole() -> Intake:
        async with Intake(peer.url, key, said.append, patience) as intake:
            await work(intake)
            return intake

    return asyncio.run(whole())


def test_a_batch_arrives_as_lines_with_key_and_sender(peer: Peer) -> None:
    intake = talk(peer, lambda intake: intake.send(ONE))
    (batch,) = peer.taken
    assert batch.messages == [{"id": "a"}, {"id": "b"}]
    assert batch.headers["content-type"] == "application/x-ndjson"
    assert batch.headers["user-agent"] == "ioc-simulators"
    assert batch.headers["authorization"] == f"Bearer {KEY}"
    assert (intake.tally.accepted, intake.tally.retries) == (2, 0)


def test_later_is_waited_for_and_the_same_key_is_used_again(peer: Peer) -> None:
    peer.bad.extend([Bad(429, {"Retry-After": "1"}), Bad(503)])
    intake = talk(peer, lambda intake: intake.send(ONE))
    first, second, third = peer.attempts
    assert second.at - first.at >= 1
    assert len({attempt.headers["idempotency-key"] for attempt in (first, second, third)}) == 1
    assert (len(peer.taken), intake.tally.accepted, intake.tally.retries) == (1, 2, 2)


def test_a_lost_answer_is_asked_for_again_under_the_same_key(peer: Peer) -> None:
    peer.bad.extend([Bad(lost=True), Bad(lost=True, taken=True)])
    talk(peer, lambda intake: intake.send(ONE))
    assert len(peer.attempts) == 3
    assert len(peer.taken) == 2
    assert peer.stored("traffic") == [{"id": "a"}, {"id": "b"}]


def test_other_batches_and_feeds_have_other_keys(peer: Peer) -> None:
    async def work(intake: Intake) -> None:
        await intake.send(ONE)
        await intake.send(Request("dossiers", ONE.body, 2))
        await intake.send(Request("traffic", b'{"id":"c"}', 1))

    talk(peer, work)
    assert len({batch.headers["idempotency-key"] for batch in peer.taken}) == 3


def test_a_batch_that_was_judged_before_is_not_sent_under_another_key(peer: Peer) -> None:
    peer.bad.append(Bad(409))
    tally = talk(peer, lambda intake: intake.send(ONE)).tally
    assert (len(peer.attempts), tally.judged_before, tally.all_refused) == (1, 1, False)


def test_rejects_are_counted_with_their_reasons(peer: Peer) -> None:
    peer.rejecting = "unknown asset"
    tally = talk(peer, lambda intake: intake.send(ONE)).tally
    assert (tally.accepted, tally.rejected, tally.all_refused) == (0, 2, True)
    assert "2 × unknown asset" in tally.sentence()


def test_a_refused_key_is_an_error_that_does_not_tell_it(peer: Peer) -> None:
    with pytest.raises(KeyRefused) as refused:
        talk(peer, lambda intake: intake.send(ONE), key="ioc_another")
    assert "ioc_another" not in str(refused.value)
    assert "key" in str(refused.value)


def test_something_else_at_the_address_is_an_error(peer: Peer) -> None:
    peer.bad.append(Bad(404))
    with pytest.raises(NotAnIntake, match="404"):
        talk(peer, lambda intake: intake.send(ONE))


def test_a_server_that_stays_away_ends_the_patience(peer: Peer) -> None:
    peer.bad.extend([Bad(503)] * 50)
    with pytest.raises(ServerAway, match="Is the server running"):
        talk(peer, lambda intake: intake.send(ONE), patience=1)


def test_the_territory_comes_in_pages(peer: Peer, places: Territory) -> None:
    peer.page = 60
    found: list[Territory] = []

    async def work(intake: Intake) -> None:
        found.append(await intake.places())

    talk(peer, work)
    assert found == [places]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("3", 3.0),
        ("0.5", 0.5),
        ("-1", 0.0),
        ("100000", 120.0),
        ("Sat, 21 Nov 2026 10:00:05 GMT", 5.0),
        ("soon", None),
    ],
)
def test_retry_after_is_read(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, datetime(2026, 11, 21, 10, tzinfo=UTC)) == seconds
