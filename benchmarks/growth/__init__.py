"""``python -m benchmarks.growth``: what each part costs as the event store grows to ten million events."""
