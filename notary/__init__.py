"""The notary: follows the event store and signs checkpoints of it. Writers need not know of it."""
