"""Example: a consumer group that keeps its own state. It finds borrowers of overdue loans."""
