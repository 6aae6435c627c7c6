"""The local copy of table and history: one SQLite file, and the functions that read and write it."""
