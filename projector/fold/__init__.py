"""From a batch of events to the rows that it changes."""
