"""A system on a broker with TLS, SCRAM and ACLs: exactly those that ``library topics acl`` prints."""

import shlex
from collections.abc import Iterator

import click
import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from msgspec.structs import replace

from foundation.kafka_clients import client_config
from foundation.settings import Settings
from library.store.names import ensure_store
from tests.system.security.processes import library
from tests.system.security.secured_broker import as_user, secured_broker

PARTS = ("writer", "projector", "api", "notary", "operator")
PATRON_LOANS = "examples.patron_loans.projection:PROJECTION"
RESOURCES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional_id": ResourceType.TRANSACTIONAL_ID,
}


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of the operator. ``reporting`` is a user with the consumer group ``overdue``."""
    users = [*(f"library-{part}" for part in PARTS), "library-patron-loans", "reporting", "stranger"]
    home = tmp_path_factory.mktemp("secured")
    with secured_broker(home / "kafka", users) as admin:
        # On a busy machine a new connection with TLS and SCRAM may take half a minute
        admin = replace(admin, partitions=2, data_dir=str(home / "data"), deadline=120.0)
        printed = library(admin, "topics", "acl", "--reader", "overdue=reporting").stdout
        printed += library(admin, "topics", "acl", "--projection", PATRON_LOANS).stdout
        bindings = {binding for line in printed.splitlines() for binding in _bindings(line)}
        client = AdminClient(client_config(admin))
        for done in client.create_acls(list(bindings)).values():
            done.result(10)
        operator = as_user("library-operator", admin)
        ensure_store(AdminClient(client_config(operator)), operator)
        yield operator


def _bindings(line: str) -> list[AclBinding]:
    """The bindings that a printed kafka-acls.sh command would add."""
    program, *arguments = shlex.split(line)
    assert program == "kafka-acls.sh"
    command = click.Command(
        "kafka-acls.sh",
        params=[
            click.Option(["--bootstrap-server"], required=True),
            click.Option(["--add"], is_flag=True, required=True),
            click.Option(["--allow-principal"], required=True),
            click.Option(["--operation"], multiple=True),
            *(click.Option([f"--{name.replace('_', '-')}"]) for name in RESOURCES),
            click.Option(["--resource-pattern-type"], default="literal"),
        ],
    )
    given = command.make_context("kafka-acls.sh", arguments).params
    [(kind, name)] = [(kind, given[kind]) for kind in RESOURCES if given[kind]]
    return [
        AclBinding(
            RESOURCES[kind],
            name,
            ResourcePatternType[given["resource_pattern_type"].upper()],
            given["allow_principal"],
            "*",
            AclOperation[_upper(operation)],
            AclPermissionType.ALLOW,
        )
        for operation in given["operation"]
    ]


def _upper(operation: str) -> str:
    """``DescribeConfigs`` as DESCRIBE_CONFIGS."""
    return "".join(f"_{letter}" if letter.isupper() else letter for letter in operation).lstrip("_").upper()
