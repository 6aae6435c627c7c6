"""A writer's knowledge of its partition, in memory and in a snapshot."""
