"""`python -m ioc check`: what is wrong on this machine, in plain words, without changing anything.

Each check is a function from settings and time to findings; `CHECKS` lists them. A check of another part (store,
broker, cameras) is one more function in that list. Exit code 0 if nothing is wrong, 1 otherwise.

Refused: repairs. What to do stands in each finding.
"""

import csv
import os
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TextIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ioc.broker.open import open_broker
from ioc.errors import BrokerError, IocError, PortInUse
from ioc.feeds import FEEDS
from ioc.model.room import MB
from ioc.operations.disk import is_marked_low, room_rules, takes_in_here
from ioc.operations.passwords import is_weak
from ioc.processes.port import answers, check_port, why_not_ready
from ioc.settings import Settings
from ioc.store import migrations
from ioc.store.engine import Store, password_in

ENOUGH_FREE_BYTES: Final = 5_000_000_000  # some weeks of the default rate
RELEASED: Final = datetime(2026, 11, 1, tzinfo=UTC)  # no clock that is right shows an earlier time

PROVINCE_FILES: Final = {
    "units.csv": ("id", "code", "name", "level", "parent", "valid_from", "valid_to", "lat", "lon"),
    "successions.csv": ("from_unit", "to_unit", "kind", "share"),
    "centres.csv": ("id", "title_vi", "title_en", "parent"),
    "coverage.csv": ("centre", "unit", "valid_from", "valid_to"),
    "assets.csv": ("id", "kind", "title_vi", "title_en", "lat", "lon", "group", "valid_from", "valid_to"),
    "asset_units.csv": ("asset", "unit", "valid_from", "valid_to"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: what, whether it is as it should be, and what to know or to do."""

    subject: str
    is_fine: bool
    words: str


Check = Callable[[Settings, datetime], Iterator[Finding]]


def main(settings: Settings, *, out: TextIO = sys.stdout, now: datetime | None = None) -> int:
    """Print all findings; 0 if all are fine, else 1."""
    findings = list(look(settings, now or datetime.now(UTC)))
    for finding in findings:
        out.write(f"{'ok   ' if finding.is_fine else 'WRONG'}  {finding.subject}: {finding.words}\n")
    wrong = sum(not finding.is_fine for finding in findings)
    out.write("All is well.\n" if not wrong else f"{wrong} of {len(findings)} checks found something wrong.\n")
    return 1 if wrong else 0


def look(settings: Settings, now: datetime) -> Iterator[Finding]:
    """All findings. A check that fails with an error of ours says so itself and does not stop the others."""
    for check in CHECKS:
        try:
            yield from check(settings, now)
        except IocError as error:
            yield Finding(check.__name__, False, str(error))


def settings_are_read(settings: Settings, _now: datetime) -> Iterator[Finding]:
    kind = "production" if settings.production else "trial, simulated data allowed"
    yield Finding("settings", True, f"{kind}; province {settings.province}, broker {settings.broker.split(':')[0]}")


def secrets(settings: Settings, _now: datetime) -> Iterator[Finding]:
    """Those that others could guess, by the rules for people's passwords. None is shown."""
    stated = {
        "IOC_KAFKA_PASSWORD": (settings.kafka_password.get_secret_value(), settings.kafka_username),
        "IOC_OPENID_CLIENT_SECRET": (settings.openid_client_secret.get_secret_value(), settings.openid_client_id),
        "the password in IOC_STORE": password_in(settings.store),
    }
    weak = [name for name, (secret, of) in stated.items() if secret and is_weak(secret, of)]
    for name in weak:
        yield Finding("secrets", False, f"{name} is short or easy to guess: use at least 12 random characters")
    if not weak:
        is_stated = any(secret for secret, _ in stated.values())
        yield Finding("secrets", True, f"none {'that is stated is easy to guess' if is_stated else 'is stated'}")


def data_folder(settings: Settings, _now: datetime) -> Iterator[Finding]:
    data = settings.data
    if not data.exists():
        yield Finding("data folder", True, f"{data} does not exist yet; `setup` or `run` will make it")
        return
    if not data.is_dir():
        yield Finding("data folder", False, f"{data} is not a folder: set IOC_DATA to one")
        return
    if not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        yield Finding("data folder", False, f"{data} cannot be written: change its owner or set IOC_DATA")
    elif data.stat().st_mode & 0o007:
        yield Finding("data folder", False, f"{data} is open to every user: run `chmod o-rwx {data}`")
    else:
        yield Finding("data folder", True, str(data))
    for key in data.glob("*.key"):
        if key.stat().st_mode & 0o077:
            yield Finding("data folder", False, f"{key} can be read by others: run `chmod 600 {key}`")


def disk_space(settings: Settings, _now: datetime) -> Iterator[Finding]:
    folder = _nearest_existing(settings.data)
    usage, rules = shutil.disk_usage(folder), room_rules(settings)
    words = f"{usage.free / 1e9:.1f} GB of {usage.total / 1e9:.1f} GB free at {folder}"
    if is_marked_low(settings.data):
        needed = f"{rules.enough // MB} MB are free"
        yield Finding("disk", False, f"{words}: the centre takes nothing in; make room, it goes on when {needed}")
    elif usage.free < rules.reserve:
        so = ", so nothing is taken in" if takes_in_here(settings) else ""
        yield Finding("disk", False, f"{words}: less than IOC_DISK_RESERVE{so}; make room")
    elif usage.free < ENOUGH_FREE_BYTES:
        yield Finding("disk", True, f"{words}; that lasts days, not weeks")
    else:
        yield Finding("disk", True, words)


def clock(settings: Settings, now: datetime) -> Iterator[Finding]:
    if now < RELEASED:
        yield Finding("clock", False, f"it shows {now:%Y-%m-%d %H:%M} UTC, before this program was made: set it")
        return
    files = [path for path in settings.data.glob("*.db*") if path.is_file()] if settings.data.is_dir() else []
    newest = max((datetime.fromtimestamp(path.stat().st_mtime, UTC) for path in files), default=now)
    if newest > now + timedelta(seconds=settings.future_tolerance):
        words = f"it shows {now:%Y-%m-%d %H:%M} UTC, but data was written at {newest:%Y-%m-%d %H:%M}: set it"
        yield Finding("clock", False, words)
    else:
        yield Finding("clock", True, f"{now:%Y-%m-%d %H:%M:%S} UTC")


def port(settings: Settings, _now: datetime) -> Iterator[Finding]:
    try:
        check_port(settings.host, settings.port)
    except PortInUse as error:
        if not answers(settings.host, settings.port):
            yield Finding("port", False, str(error))
            return
        why = why_not_ready(settings.host, settings.port)
        words = "the centre runs and is ready" if why is None else f"the centre runs but is not ready: {why}"
        yield Finding("port", why is None, f"{settings.port}: {words}")
    else:
        yield Finding("port", True, f"{settings.port} on {settings.host} is free")


def province(settings: Settings, _now: datetime) -> Iterator[Finding]:
    folder = settings.province_dir / settings.province
    if not folder.is_dir():
        known = sorted(path.parent.name for path in settings.province_dir.glob("*/province.toml"))
        yield Finding("province", False, f"{folder} is not there; IOC_PROVINCE may be: {', '.join(known) or 'none'}")
        return
    wrong = [*_wrong_in_toml(folder / "province.toml")]
    for name, columns in PROVINCE_FILES.items():
        wrong += _wrong_in_table(folder / name, columns)
    for words in wrong:
        yield Finding("province", False, words)
    if not wrong:
        yield Finding("province", True, f"{folder.name}: all {len(PROVINCE_FILES) + 1} files can be read")


def broker(settings: Settings, _now: datetime) -> Iterator[Finding]:
    if settings.broker == "embedded":
        yield Finding("broker", True, "the embedded log, in the data folder")
        return
    kafka = open_broker(settings)
    try:
        wanted = [topic for feed in FEEDS.values() for topic in (feed.topic, feed.dead_letter_topic)]
        missing = [topic for topic in wanted if not kafka.partitions(topic)]
    except BrokerError as error:
        yield Finding("broker", False, str(error))
        return
    finally:
        kafka.close()
    if missing:
        yield Finding("broker", False, f"Kafka has no topic {', '.join(missing)}: run `python -m ioc setup`")
    else:
        yield Finding("broker", True, f"Kafka answers and has the topics of {len(FEEDS)} feeds")


def store(settings: Settings, _now: datetime) -> Iterator[Finding]:
    if settings.store.startswith("sqlite") and not Path(settings.store.removeprefix("sqlite:///")).exists():
        yield Finding("store", True, "SQLite; it does not exist yet, `setup` or `run` will make it")
        return
    with closing(Store.open(settings.store)) as opened:
        migrations.require_current(opened)
        name = "SQLite" if opened.dialect == "sqlite" else "PostgreSQL"
        yield Finding("store", True, f"{name} answers and has tables of version {migrations.newest_version()}")


def _wrong_in_toml(path: Path) -> Iterator[str]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        ZoneInfo(str(content["timezone"]))
    except FileNotFoundError:
        yield f"{path} is missing"
    except KeyError as error:
        yield f"{path} does not say {error}"
    except (ZoneInfoNotFoundError, ValueError) as error:
        yield f"{path}: {error}"


def _wrong_in_table(path: Path, columns: tuple[str, ...]) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header = next(csv.reader(file), [])
    except FileNotFoundError:
        yield f"{path} is missing"
        return
    except UnicodeDecodeError:
        yield f"{path} is not UTF-8: save it as UTF-8"
        return
    if missing := [column for column in columns if column not in header]:
        yield f"{path} has no column {', '.join(missing)}"


def _nearest_existing(path: Path) -> Path:
    return path if path.exists() else _nearest_existing(path.parent)


CHECKS: Final[list[Check]] = [settings_are_read, secrets, data_folder, disk_space, clock, port, province, broker, store]
