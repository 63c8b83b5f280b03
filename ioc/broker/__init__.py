"""The log that everything passes through: one port, one adapter per broker; nothing else knows which is in use."""
