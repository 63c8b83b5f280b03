"""Rows of who somebody is at an OpenID provider: its issuer, and the subject that it never gives to another."""

from sqlalchemy import delete, insert, select

from ioc.store.access import Connection
from ioc.store.schema import external_identities, people


def linked_login(connection: Connection, issuer: str, subject: str) -> str | None:
    """The login of the person whom the provider's subject is linked to, if there is one."""
    query = select(people.c.login).join(external_identities, external_identities.c.person == people.c.id)
    wanted = (external_identities.c.issuer == issuer, external_identities.c.subject == subject)
    return connection.scalar(query.where(*wanted))


def has_link(connection: Connection, person: str) -> bool:
    """Whether the person is linked to any account of a provider."""
    return (
        connection.scalar(select(external_identities.c.subject).where(external_identities.c.person == person))
        is not None
    )


def lock_login(connection: Connection, login: str) -> None:
    """Wait for whoever is just linking the person of that login, and keep others waiting until the transaction ends."""
    connection.execute(select(people.c.id).where(people.c.login == login).with_for_update())


def link(connection: Connection, issuer: str, subject: str, person: str, *, at: int) -> None:
    connection.execute(insert(external_identities).values(issuer=issuer, subject=subject, person=person, linked_at=at))


def unlink(connection: Connection, person: str) -> int:
    """Forget whom the person is at a provider; how many links there were."""
    return connection.execute(delete(external_identities).where(external_identities.c.person == person)).rowcount
