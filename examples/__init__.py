"""Views of the event store to learn from; docs/consumer-groups.md tells about them."""
