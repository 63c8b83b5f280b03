"""Rows of people as administrators change them: name, role, centres and language; a password that is taken back.

Refused: judging. Who may change whom is decided in `ioc/operations`, in the same transaction.
"""

from sqlalchemy import Connection, delete, insert, select, update

from ioc.model.access import Role
from ioc.store.access import Person, delete_sessions_of
from ioc.store.schema import one_time_links, people, people_centres


def lock_administrators(connection: Connection) -> None:
    """Let no other transaction change an administrator before this one ends; SQLite has one writer anyway."""
    query = select(people.c.id).where(people.c.role == Role.ADMINISTRATOR.value).order_by(people.c.id)
    connection.execute(query.with_for_update()).all()


def update_person(connection: Connection, person: Person) -> None:
    """Store the person's name, role, language and centres as they are in the record."""
    stated = {"name": person.name, "role": person.role.value, "language": person.language}
    connection.execute(update(people).where(people.c.id == person.id).values(stated))
    connection.execute(delete(people_centres).where(people_centres.c.person == person.id))
    if person.centres:
        rows = [{"person": person.id, "centre": centre} for centre in sorted(person.centres)]
        connection.execute(insert(people_centres), rows)


def take_password_back(connection: Connection, person: str) -> None:
    """The password is worth nothing any more, open sessions and links end, and the next sign-in sets a new one."""
    connection.execute(
        update(people).where(people.c.id == person).values(password_hash=None, must_change_password=True)
    )
    delete_sessions_of(connection, person)
    connection.execute(delete(one_time_links).where(one_time_links.c.person == person))
