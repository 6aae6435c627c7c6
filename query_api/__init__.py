"""The table over HTTP, from a local replica that follows two topics."""
