"""Dead letters: listed without content, looked at, and sent again after a fix.

Lists are for everybody who may read. The bytes may name persons, so that looking at them and sending them again need a
permission of its own, and each use of it is written to the log: ids, never content.

What is sent again is read from the log at its offset, else taken from what is kept of it, if that is all; refused is
a cut one that the log no longer has. It is appended under its key, source and origin, as the batch
`dead-letter:<id>:<arrival>` (a database may give an id again once all letters are forgotten), and then marked. Killed
in between, the letter goes out again with the next replay, and ingest drops it as a duplicate. Ingest knows batches for
`idempotency_horizon` (of senders that are not our own keys: the newest of each partition), so a letter that was begun
and not marked is sent again within half of that only; the other half is for ingest to lie behind. Later it is refused,
unless somebody has looked and says `again`.

Each letter is judged before it is sent, so that a replay of many does not make new letters of those that are as bad
as before; ingest judges it again. What the intake refused must also be what its sender may send today.

The clock of this judgement is that of the letter's own arrival. A message that was dated ahead does not become right
by waiting: it passes after the tolerance was raised, or where somebody states that this centre's clock was behind.
Too old stays too old. The record itself stands in the log with the time of the replay, because logs keep by time and
records dated back would be dropped at once; so it counts as heard from its source in that minute, its values go to the
windows of its event time as late data, and should it be refused again, that letter belongs to the hour of the replay.

Not known here: whether the sender has sent the same once more, as another request. Then it counts twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from ioc import logs
from ioc.broker.port import BATCH, INDEX, ORIGIN, SOURCE, Partition, Received, Record
from ioc.errors import BadRequest, IocError, NotFound, Refused
from ioc.feeds import FEEDS
from ioc.feeds.feed import Feed
from ioc.feeds.judging import Unusable, judged, messages_of
from ioc.model.access import Permission, Principal
from ioc.model.audit import Act
from ioc.model.origins import Origin
from ioc.model.windows import SECOND
from ioc.operations.access import check_may_send, check_permission
from ioc.operations.intake import Intake, judge, without_personal_fields
from ioc.operations.keys import sender_of
from ioc.operations.places import Atlas, milliseconds
from ioc.operations.trail import changing
from ioc.store import dead_letter_reading as rows
from ioc.store.dead_letter_reading import CountRow, KeptLetter, LetterRow, Wanted
from ioc.store.engine import Store

AT_ONCE: Final = 50
"""Letters of one append: each may be as large as a message."""

MOST_HOURS: Final = 100

_ORIGINS: Final = frozenset(str(int(origin)) for origin in Origin)
_log = logs.get_logger("ioc.dead_letters")


@dataclass(frozen=True, slots=True)
class LetterList:
    """The newest letters, and the newest hours of which more came than are kept."""

    letters: tuple[LetterRow, ...]
    crowded: tuple[CountRow, ...]


@dataclass(frozen=True, slots=True)
class Choices:
    """How to send again: `again` also what was begun too long ago, `clock_was_behind` also what was dated ahead."""

    dry_run: bool = False
    again: bool = False
    clock_was_behind: bool = False


PLAIN: Final = Choices()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one letter; in a dry run, what would."""

    id: int
    is_sent: bool
    words: str


class _Left(IocError):
    """A letter is left as it is; the sentence says why."""


def list_letters(principal: Principal, store: Store, wanted: Wanted, *, limit: int) -> LetterList:
    """All about the newest letters but their bytes."""
    check_permission(principal, Permission.READ)
    with store.reading() as connection:
        return LetterList(
            tuple(rows.newest_letters(connection, wanted, limit)),
            tuple(rows.crowded_hours(connection, wanted, MOST_HOURS)),
        )


def show_letter(principal: Principal, store: Store, letter: int, *, now: datetime) -> KeptLetter:
    """One letter with what is kept of its bytes."""
    check_permission(principal, Permission.DEAD_LETTERS)
    with changing(store, now) as (connection, trail):
        found = rows.read_letters(connection, [letter]).get(letter)
        if found is None:
            raise NotFound(f"There is no dead letter {letter}: `dead-letters list` shows those that are kept.")
        trail.say(principal, Act.DEAD_LETTER_SEEN, "dead-letter", str(letter))
    _log.warning("a dead letter is looked at", letter=letter, by=principal.id)
    return found


def waiting_letters(principal: Principal, store: Store, wanted: Wanted) -> list[int]:
    """The ids of the letters that were not sent again, in the order of their arrival."""
    check_permission(principal, Permission.DEAD_LETTERS)
    with store.reading() as connection:
        return rows.waiting_letters(connection, wanted)


def replay(
    principal: Principal, intake: Intake, letters: Sequence[int], *, now: datetime, choices: Choices = PLAIN
) -> tuple[Outcome, ...]:
    """Send at most AT_ONCE letters again, in the given order; what came of each.

    Where broker or store fail, what was not marked until then can simply be sent again.
    """
    check_permission(principal, Permission.DEAD_LETTERS)
    wanted = list(dict.fromkeys(letters))
    if len(wanted) > AT_ONCE:
        raise BadRequest(f"{len(wanted)} letters are too many at once: send at most {AT_ONCE}")
    if not choices.dry_run:
        intake.disk.check_room()
    with intake.province.reading_own() as (connection, atlas):
        known = rows.read_letters(connection, wanted)
        refused = {one.row.source for one in known.values() if one.row.topic is None}
        senders = {source: sender_of(connection, source) for source in refused}
    replaying = _Replay(intake, atlas, senders, milliseconds(now), choices)
    outcomes = tuple(replaying.take(letter, known.get(letter)) for letter in wanted)
    if not choices.dry_run:
        replaying.send(principal, now)
    return outcomes


@dataclass(frozen=True, slots=True)
class _Replay:
    """Some letters on their way, by the topic that they go to."""

    intake: Intake
    atlas: Atlas
    senders: Mapping[str, Principal | None]
    now: int
    choices: Choices
    taken: dict[str, list[tuple[int, Record]]] = field(default_factory=dict)

    def take(self, letter: int, known: KeptLetter | None) -> Outcome:
        """Make a record of a letter, or say why not."""
        try:
            if known is None:
                raise _Left("there is no such letter (any more)")
            feed, record, words = self._record(known)
        except (_Left, Refused) as error:
            return Outcome(letter, False, str(error))
        self.taken.setdefault(feed.topic, []).append((letter, record))
        return Outcome(letter, True, words)

    def send(self, principal: Principal, now: datetime) -> None:
        """Append what was taken, and mark it."""
        store = self.intake.province.store
        for topic, taken in self.taken.items():
            letters = [letter for letter, _ in taken]
            _log.warning("dead letters are sent again", letters=letters, by=principal.id)
            with changing(store, now) as (connection, trail):
                rows.begin_replay(connection, letters, self.now, anew=self.choices.again)
                trail.say(principal, Act.DEAD_LETTERS_REPLAYED, "topic", topic, details={"letters": letters})
            self.intake.broker.append(topic, [record for _, record in taken], self.now)
            with store.writing() as connection:
                rows.mark_replayed(connection, letters, self.now)

    def _record(self, letter: KeptLetter) -> tuple[Feed, Record, str]:
        """What is to be appended, and where it comes from."""
        row = letter.row
        feed = self._checked(row)
        headers = _sent_by(row) | {BATCH: f"dead-letter:{row.id}:{row.at}", INDEX: "0"}
        if row.topic is None:
            body = without_personal_fields(feed, self._kept_body(letter))
            key = self._key_for_the_intake(feed, row, body)
            return feed, Record(key, body, headers), "from what is kept"
        if (in_log := self._in_log(letter)) is not None:
            received, body = in_log
            if received.headers.get(ORIGIN, str(int(Origin.LIVE))) not in _ORIGINS:
                raise _Left("its header origin is none that is known: have it sent anew with an origin's number")
            self._judge_for_ingest(feed, row, (body,) if body != received.value else self._messages(body))
            return feed, Record(received.key, body, headers), "from the log"
        body = self._kept_body(letter)
        if letter.key is None:
            raise _Left("the log no longer has it, and its key or origin is not kept: have it sent anew")
        self._judge_for_ingest(feed, row, self._messages(body))
        return feed, Record(letter.key, body, headers), "from what is kept"

    def _checked(self, row: LetterRow) -> Feed:
        """The feed of a letter that may be sent again at all."""
        if row.replayed_at is not None:
            raise _Left(f"was sent again {_utc(row.replayed_at)}")
        if row.feed not in FEEDS:
            raise _Left(f"there is no feed {row.feed!r} any more")
        settings = self.intake.province.settings
        if row.origin == Origin.SIMULATED and not settings.allow_simulated:
            raise _Left("this centre takes no simulated data")
        latest = self.now - settings.idempotency_horizon * SECOND // 2
        if row.replay_begun_at is not None and row.replay_begun_at < latest and not self.choices.again:
            raise _Left(
                f"a replay was broken off {_utc(row.replay_begun_at)}, too long ago to know a second one as such:"
                " see whether its values count already, and only if they do not send it with --again"
            )
        return FEEDS[row.feed]

    def _in_log(self, letter: KeptLetter) -> tuple[Received, bytes] | None:
        """The record and the message in it, if the log has them still: it may have been made anew, with others there.

        A record may hold an array of messages, each with a letter of its own.
        """
        row, broker = letter.row, self.intake.broker
        if row.topic is None or row.partition is None or row.offset is None:
            return None
        partition = Partition(row.topic, row.partition)
        if partition not in broker.partitions(row.topic):
            return None
        for found in broker.read(partition, row.offset, 1):
            if found.offset != row.offset or found.time != row.at:
                continue
            fitting = {
                message
                for message in (found.value, *self._messages(found.value))
                if message.startswith(letter.body) and row.size in (None, len(message))
            }
            if len(fitting) > 1:
                raise _Left("its record holds several messages that begin like what is kept: have it sent anew")
            return next(((found, message) for message in fitting), None)
        return None

    def _messages(self, body: bytes) -> Sequence[bytes]:
        """What ingest would judge one by one."""
        try:
            return messages_of(body, self.intake.limits)
        except Unusable as unusable:
            raise _still_bad(unusable) from None

    @staticmethod
    def _kept_body(letter: KeptLetter) -> bytes:
        if letter.row.is_whole:
            return letter.body
        gone = "" if letter.row.topic is None else "the log no longer has it, and "
        raise _Left(f"{gone}only its first {letter.row.kept} bytes are kept: have it sent anew")

    def _clock(self, row: LetterRow) -> int:
        return self.now if self.choices.clock_was_behind else row.at

    def _judge_for_ingest(self, feed: Feed, row: LetterRow, messages: Sequence[bytes]) -> None:
        """_Left unless some of them can be used."""
        refused = []
        for message in messages:
            try:
                judged(feed, message, self._clock(row), self.atlas.ids, self.intake.limits)
            except Unusable as unusable:
                refused.append(unusable)
            else:
                return
        raise _still_bad(refused[0])

    def _key_for_the_intake(self, feed: Feed, row: LetterRow, body: bytes) -> bytes:
        """The key in the log, if the sender might send this today."""
        sender = self.senders[row.source]
        if sender is None:
            raise _Left(f"the key {row.source} is revoked or unknown: its owner must send anew")
        check_may_send(sender, feed.id)
        usable, unusable = judge(sender, feed, [body], self._clock(row), self.atlas, self.intake.limits)
        if unusable:
            raise _still_bad(unusable[0][1])
        return usable[0][1]


def _still_bad(unusable: Unusable) -> _Left:
    return _Left(f"would be refused again ({unusable.kind}): {unusable.rule}")


def _utc(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _sent_by(row: LetterRow) -> dict[str, str]:
    """Under the name by which ingest knew its sender, so that a second replay is known as the same batch."""
    named = {} if row.source == f"topic:{row.topic}" else {SOURCE: row.source}
    return {**named, ORIGIN: str(row.origin)}
