"""Commands over HTTP: one lane for each partition."""
