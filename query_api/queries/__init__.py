"""Queries of the replica: titles, loans, history, past states."""
