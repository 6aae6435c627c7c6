"""The furniture of HTTP: server, client, problem documents, callers that may ask."""
