"""The replica: rows, events and the past in SQLite."""
