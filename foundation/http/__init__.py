"""HTTP for every service: server, client, application, OpenAPI document, problem documents."""
