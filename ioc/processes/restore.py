"""`python -m ioc restore FOLDER`: a backup in the place of store and embedded log, while the centre stands still.

All is looked at before anything is changed. The store comes as the last step, so that a store that is there is whole;
killed before that, the same command begins again. What stood there is moved aside, never deleted. Ingest then goes on
from the positions of the store and applies what the log has beyond them.

Refused: a folder without a manifest, a damaged file, tables of a newer program, another kind of store or broker than
the settings name, a centre that runs, and, without `replace`, a place that holds data.
"""

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ioc.errors import StoreError
from ioc.jobs.audit import append_head
from ioc.model.access import system_principal
from ioc.operations.audit import note_restored
from ioc.processes import backup_manifest
from ioc.processes.backup import STATE_FILES, broker_kind
from ioc.processes.backup_manifest import Manifest
from ioc.processes.data_folder import make_data_folder, only_run, write_private
from ioc.processes.restore_places import Place, places, stands
from ioc.settings import Settings, without_password
from ioc.store import copies, migrations
from ioc.store.engine import Store

UNFINISHED: Final = "restore.unfinished"
"""The file of the data folder that stands there from the first change to the last; it says which part is under way."""

AUDIT_SINCE: Final = "0007"
"""The first version of the tables that has an audit trail."""

_RESTORE: Final = system_principal("restore")
_MOVING: Final = "moving aside what stood here before"


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, and where that is which stood there before."""

    manifest: Manifest
    aside: tuple[str, ...]


def main(settings: Settings, folder: Path, *, now: datetime, replace: bool = False) -> Restored:
    """Put the backup in place. Raises IocError, having changed nothing, where it is refused."""
    manifest = backup_manifest.read(folder)
    _require_fit(manifest, settings)
    backup_manifest.verify(folder, manifest.files)
    make_data_folder(settings.data)
    with only_run(settings.data):
        began, wanted = _begun(settings.data), places(settings, folder, manifest)
        if began == _putting(manifest) and wanted[-1].holds_data() and stands(settings, manifest):
            aside: tuple[str, ...] = ()
        else:
            found = _found(wanted, was_putting=began not in ("", _MOVING), replace=replace)
            aside = _replaced(settings, folder, manifest, found, now)
        _enter(settings, manifest, now)
        (settings.data / UNFINISHED).unlink(missing_ok=True)
    return Restored(manifest, aside)


def require_finished(data: Path) -> None:
    """StoreError if a restore into the data folder was begun and not finished."""
    if _begun(data):
        raise StoreError(
            f"a restore into {data} was not finished: run the same `python -m ioc restore` again, or delete"
            f" {data / UNFINISHED} to go on without it"
        )


def _putting(manifest: Manifest) -> str:
    return f"putting in place {manifest.id}"


def _begun(data: Path) -> str:
    """What a restore that was not finished was doing."""
    try:
        return (data / UNFINISHED).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""


def _require_fit(manifest: Manifest, settings: Settings) -> None:
    kind = copies.kind_of(settings.store)
    if manifest.store != kind:
        raise StoreError(f"the backup is of a store in {manifest.store}, but IOC_STORE names {kind}: set IOC_STORE")
    if manifest.broker != broker_kind(settings):
        raise StoreError(
            f"the backup's positions are those of the broker `{manifest.broker}`, but IOC_BROKER names"
            f" `{broker_kind(settings)}`: set IOC_BROKER"
        )
    migrations.require_known(manifest.tables)


def _found(wanted: list[Place], *, was_putting: bool, replace: bool) -> dict[Place, bool]:
    """Each place, and whether something stands there. StoreError where that forbids the restore."""
    found = {place: place.holds_data() for place in wanted}
    store = wanted[-1]
    # After a restore that was not finished, a log without a store is that restore's.
    ours = was_putting and not found[store]
    if any(found.values()) and not replace and not ours:
        names = " and ".join(place.name for place, stands_there in found.items() if stands_there)
        raise StoreError(
            f"there is data already: {names}; restore with --replace, which moves it aside, or set IOC_STORE and"
            " IOC_DATA to others"
        )
    for place in wanted:
        place.require_unused()
    return found


def _replaced(
    settings: Settings, folder: Path, manifest: Manifest, found: dict[Place, bool], now: datetime
) -> tuple[str, ...]:
    """Put the backup's parts in their places; where that went which stood there."""
    for place in found:
        place.stage()
    write_private(settings.data / UNFINISHED, _MOVING + "\n")
    aside = settings.data / f"before_restore_{now.astimezone(UTC):%Y%m%dt%H%M%S}"
    moved = [place.set_aside(aside) for place, stands_there in found.items() if stands_there]
    write_private(settings.data / UNFINISHED, _putting(manifest) + "\n")
    for name in STATE_FILES:
        if manifest.has(name):
            write_private(settings.data / name, (folder / name).read_text(encoding="ascii"))
    for place in found:
        place.put()
    return tuple(dict.fromkeys(moved))


def _enter(settings: Settings, manifest: Manifest, now: datetime) -> None:
    """Say in the audit, and where its head is exported, that the trail goes on from the time of the backup."""
    if manifest.tables >= AUDIT_SINCE:
        with closing(Store.open(settings.store)) as store:
            made_at = datetime.fromisoformat(manifest.made_at)
            append_head(settings.data, note_restored(_RESTORE, store, made_at=made_at, now=now))


def told(restored: Restored, settings: Settings) -> str:
    """What was done and what to do next, for who asked for it."""
    manifest = restored.manifest
    lines = [f"The centre of {manifest.made_at} is restored to {without_password(settings.store)}."]
    lines += [f"What stood there before is in {place}." for place in restored.aside]
    if manifest.tables != migrations.newest_version():
        lines.append("Its tables are of an older program: run `python -m ioc setup` now.")
    if manifest.broker != "embedded":
        lines.append("Ingest reads from Kafka what came since; what Kafka no longer keeps is recorded as a gap.")
    elif beyond := sum(one.beyond for one in manifest.offsets):
        lines.append(f"Its log holds {beyond} records that its store lacks: ingest applies them.")
    return "\n".join(lines)
