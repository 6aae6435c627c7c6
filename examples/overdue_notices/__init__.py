"""An example of a consumer group that keeps a view of its own: who has to be reminded of a loan."""
