"""Triggers and first rows of the audit trail: the database itself refuses to change or remove an entry.

An entry can only be added, as the next one after the head. One can only be removed when the anchor covers it, and the
anchor only moves forward, onto an entry that exists, and not past a legal hold. Triggers bind everybody but the owner
of the tables, who can take them away; `python -m ioc audit verify` is what finds that.
"""

from typing import Final

from sqlalchemy import Connection

_HELD: Final = (
    "EXISTS (SELECT 1 FROM audit_holds WHERE released_at IS NULL"
    " AND since <= (SELECT max(at) FROM audit_entries WHERE n <= NEW.n))"
)
_NEXT: Final = (
    "EXISTS (SELECT 1 FROM audit_head WHERE n + 1 = NEW.n AND hash = NEW.before)"
    " AND NOT EXISTS (SELECT 1 FROM audit_entries WHERE n = NEW.n)"
)
_EXISTS: Final = "EXISTS (SELECT 1 FROM audit_entries WHERE n = NEW.n AND hash = NEW.hash)"

# (table, event, what must hold for it, what the refusal says)
_RULES: Final = (
    ("audit_entries", "INSERT", _NEXT, "an entry of the audit is added after the last one only"),
    ("audit_entries", "UPDATE", "1 = 0", "an entry of the audit is never changed"),
    (
        "audit_entries",
        "DELETE",
        "OLD.n <= (SELECT n FROM audit_anchor)",
        "an entry of the audit is removed by the keeping job only",
    ),
    ("audit_head", "INSERT", "NOT EXISTS (SELECT 1 FROM audit_head)", "the audit has one head"),
    ("audit_head", "UPDATE", f"NEW.n = OLD.n + 1 AND {_EXISTS}", "the head of the audit moves to the next entry only"),
    ("audit_head", "DELETE", "1 = 0", "the audit has a head"),
    ("audit_anchor", "INSERT", "NOT EXISTS (SELECT 1 FROM audit_anchor)", "the audit has one anchor"),
    (
        "audit_anchor",
        "UPDATE",
        f"NEW.n > OLD.n AND {_EXISTS} AND NOT {_HELD}",
        "the anchor of the audit moves forward to an entry that no legal hold covers",
    ),
    ("audit_anchor", "DELETE", "1 = 0", "the audit has an anchor"),
    (
        "audit_holds",
        "UPDATE",
        "OLD.released_at IS NULL AND NEW.released_at IS NOT NULL AND NEW.name = OLD.name AND NEW.since = OLD.since",
        "a legal hold is released once, and never changed",
    ),
    ("audit_holds", "DELETE", "1 = 0", "a legal hold is released, never removed"),
)
TABLES: Final = ("audit_entries", "audit_head", "audit_anchor", "audit_holds")


def put_up(connection: Connection) -> None:
    """Make the triggers, and the rows of an empty trail."""
    nothing = "decode(repeat('00', 32), 'hex')" if connection.dialect.name == "postgresql" else "zeroblob(32)"
    for table in ("audit_head", "audit_anchor"):
        connection.exec_driver_sql(f"INSERT INTO {table} VALUES (1, 0, {nothing})")  # noqa: S608 - our own words
    for table, happening, allowed, words in _RULES:
        for statement in _trigger(connection.dialect.name, table, happening, allowed, words):
            connection.exec_driver_sql(statement)
    if connection.dialect.name == "postgresql":
        for table in TABLES:
            for statement in _function_and_trigger(
                table, "truncate", "STATEMENT", "FALSE", "the audit is never emptied"
            ):
                connection.exec_driver_sql(statement)


def _trigger(dialect: str, table: str, happening: str, allowed: str, words: str) -> tuple[str, ...]:
    if dialect == "postgresql":
        return _function_and_trigger(table, happening.lower(), "ROW", allowed, words)
    return (
        f"CREATE TRIGGER {table}_{happening.lower()} BEFORE {happening} ON {table} WHEN NOT ({allowed})"
        f" BEGIN SELECT RAISE(ABORT, '{words}'); END",
    )


def _function_and_trigger(table: str, happening: str, each: str, allowed: str, words: str) -> tuple[str, ...]:
    name = f"{table}_{happening}"
    row = "NULL" if each == "STATEMENT" else "OLD" if happening == "delete" else "NEW"
    return (
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF NOT ({allowed}) THEN RAISE EXCEPTION '{words}'; END IF; RETURN {row}; END $$",
        f"CREATE TRIGGER {name} BEFORE {happening.upper()} ON {table} FOR EACH {each} EXECUTE FUNCTION {name}()",
    )
