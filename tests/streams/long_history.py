"""A long history from a seed, for tests that need many records rather than many histories."""

from dataclasses import replace
from random import Random

from tests.streams.history import BAD_ONES, HOUR, OFFICES, ROADS, Sent, air, dossier, figure, flow
from tests.streams.small_centre import MIDNIGHT


def long_history(seed: int, records: int) -> list[Sent]:
    """About so many records of all feeds: late ones, bad ones, cases that change, and batches that come again."""
    random = Random(seed)
    history: list[Sent] = []
    number = 0
    while len(history) < records:
        number += 1
        source, origin = random.choice(["s1", "s2", None]), random.choice([0, 0, 0, 2])
        group = [replace(_any(random), source=source, origin=origin) for _ in range(random.randint(1, 8))]
        if random.random() < 0.6:
            group = [replace(one, batch=f"b{number}", index=index) for index, one in enumerate(group)]
            if random.random() < 0.5:
                group = [*group[: random.randint(0, len(group))], *group, *group]
        history += group
    return history


def _any(random: Random) -> Sent:
    at = MIDNIGHT + random.choice([random.randint(-600_000, 600_000), random.randint(-50, 50) * HOUR])
    match random.randint(0, 9):
        case 0 | 1 | 2 | 3:
            return flow(
                random.choice(ROADS),
                at,
                vehicles=random.choice([None, 0, 3, 40]),
                speed=random.choice([None, random.randint(0, 9_000)]),
                occupancy=random.choice([None, random.randint(0, 10_000)]),
                congested=random.random() < 0.4,
            )
        case 4:
            return air(random.choice(ROADS), at, dust=random.randint(0, 500), noise=random.randint(0, 90))
        case 5 | 6 | 7:
            return _dossier(random)
        case 8:
            unit, as_of = random.choice(["u-top", "u-m1", "u-m2"]), MIDNIGHT + random.randint(0, 9) * HOUR
            return figure(unit, (as_of, random.randint(0, 9), random.choice([None, 5]), 9, "", "sheet"))
        case _:
            return random.choice(BAD_ONES)


def _dossier(random: Random) -> Sent:
    received = MIDNIGHT + random.randint(-60, 20) * HOUR
    fields: dict[str, str | int | None] = {"office": random.choice(OFFICES), "received": received}
    if random.random() < 0.7:
        fields["due"] = received + random.randint(1, 60) * HOUR
    if random.random() < 0.5:
        fields["finished"] = random.choice([None, received + random.randint(1, 40) * HOUR])
    if random.random() < 0.3:
        fields["channel"] = random.choice(["online", "counter"])
    return dossier(f"c{random.randint(1, 25)}", MIDNIGHT + random.randint(0, 50) * HOUR, fields)
