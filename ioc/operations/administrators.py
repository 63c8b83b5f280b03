"""That somebody is left who administers every centre, however administrators change each other.

The shell is exempt: it is there for the case that nobody is left.
"""

from ioc.errors import BadRequest
from ioc.model.access import Principal, Role
from ioc.store import access as rows
from ioc.store.access import Connection, Person
from ioc.store.people_changes import lock_administrators


def check_one_remains(principal: Principal, connection: Connection, after: Person) -> None:
    """BadRequest if the person, as they would be, leaves no administrator of all centres where there is one now."""
    if principal.everything:
        return
    lock_administrators(connection)
    known = rows.centre_ids(connection)
    now = {person.id: person for person in rows.all_people(connection)}
    before = {id_ for id_, person in now.items() if _administers(person, known)}
    if before == {after.id} and not _administers(after, known):
        raise BadRequest(
            "This person is the last administrator of all centres: appoint another one first.",
            rule="last_administrator",
        )


def _administers(person: Person, centres: frozenset[str]) -> bool:
    return person.role is Role.ADMINISTRATOR and person.disabled_at is None and person.centres >= centres
