"""Faust's transport with batches; Faust loads it by the name ``kafka+batch``."""

from faust.transport.drivers import aiokafka as driver

from projector.batched_faust.changelog import Producer
from projector.batched_faust.consumer import Consumer


class Transport(driver.Transport):
    """Kafka through aiokafka, a fetch at a time."""

    Consumer, Producer = Consumer, Producer
