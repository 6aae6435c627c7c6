"""The gateway: commands over HTTP, executed in batches by one lane for each partition."""
