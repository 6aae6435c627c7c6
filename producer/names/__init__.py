"""Borrowers' names on the write side: commands get tokens, and a borrower can be forgotten."""
