"""Example: a consumer group that counts each event exactly once, in SQLite or PostgreSQL."""
