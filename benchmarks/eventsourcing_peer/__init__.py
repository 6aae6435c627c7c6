"""The same commands with the library `eventsourcing` on SQLite or PostgreSQL."""
