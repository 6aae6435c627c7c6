"""The audit: folds the event store by itself, and compares each row of the table that counts with it."""
