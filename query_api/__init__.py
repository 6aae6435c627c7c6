"""The query API: the inventory over HTTP, answered from a local replica of the table and the history."""
