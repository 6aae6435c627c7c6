"""The projector: a Faust worker that folds the event store into a table."""
