"""How Alembic runs here: always on the connection and inside the transaction that `upgrade` gives it."""

from alembic import context

from ioc.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=False)
context.run_migrations()
