"""The gateway's application, without its lifespan."""

from foundation.http.origins import PageAccess
from foundation.http.server import bound
from producer.gateway.app import create_app
from producer.gateway.gateway import Gateway
from producer.gateway.metrics import Metrics
from producer.gateway.sharing.membership import Membership
from producer.gateway.sharing.reception import Reception


def gateway_app(gateway: Gateway, metrics: Metrics) -> PageAccess:
    """The application around ``gateway``, which joins no group and takes no links."""
    reception = Reception(gateway, bound("127.0.0.1", 0))
    reception.close()
    return create_app(gateway, metrics, Membership(gateway.settings, "http://127.0.0.1:8081#1"), reception)
