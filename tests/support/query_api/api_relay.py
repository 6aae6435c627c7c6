"""Serves a query API without Kafka over real HTTP."""

from contextlib import AbstractContextManager

from tests.support import http_server
from tests.support.query_api.api_without_kafka import ApiWithoutKafka


def served(api: ApiWithoutKafka) -> AbstractContextManager[str]:
    """The address at which ``api`` answers meanwhile."""

    class Relay(http_server.Handler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = api.ask(self.path, method=self.command, headers=dict(self.headers), content=body)
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.content)

        do_POST = do_GET

    return http_server.serving(Relay)
