"""The questions: titles, loans, history, the past."""
