"""The folds: from a batch of events to the rows that it changes."""
