"""The store: SQLAlchemy's only home. Two dialects of one store, never two stores."""
