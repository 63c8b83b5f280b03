"""The store's own file, where it is one (SQLite): where it stands, and how much it can take without growing.

SQLite never gives room back to the disk: what is deleted leaves free pages in the file, and new rows go there.
"""

from pathlib import Path

from ioc.store.engine import Store


def file_of(store: Store) -> Path | None:
    """The file of the store; None where a server keeps it."""
    database = store.engine.url.database
    return Path(database).resolve() if store.dialect == "sqlite" and database else None


def reusable_bytes(store: Store) -> int:
    """Bytes of free pages in the file; StoreError if it cannot be asked."""
    with store.reading() as connection:
        pages = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
        size = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    return int(pages) * int(size)
