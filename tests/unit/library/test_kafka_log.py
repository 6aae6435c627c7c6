"""Lines that a normal start of the embedded broker may log, and those that must be seen."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

import library.broker

LEVELS = ["ERROR", "WARN", "INFO"]
REQUEST = (
    "[ControllerApis nodeId=1] Unexpected error handling request RequestHeader(apiKey={}, apiVersion=0, "
    "clientId=1, correlationId=0, headerVersion=2) -- Data(controllerId=1)\nwith context RequestContext()"
)
RETURNED = "[ControllerRegistrationManager id=1] ResponseHandler: controller returned error {} (reason)"


def shown(logger: str, level: str, message: str) -> bool:
    """Whether Kafka logs the line, by the rules of log4j2 that the file uses."""
    root = ElementTree.parse(Path(library.broker.__file__).with_name("log4j2.xml"))
    rules = {one.attrib["name"]: one for one in root.iter("Logger")} | {"": root.find(".//Root")}
    rule = rules.get(logger, rules[""])
    if LEVELS.index(level) > LEVELS.index(rule.attrib["level"]):
        return False
    for found in rule.iter():
        if found.tag == "ThresholdFilter":
            matches = LEVELS.index(level) <= LEVELS.index(found.attrib["level"])
        elif found.tag == "RegexFilter":
            matches = re.fullmatch(found.attrib["regex"], message) is not None
        else:
            continue
        verdict = found.attrib["onMatch" if matches else "onMismatch"]
        if verdict != "NEUTRAL":
            return bool(verdict == "ACCEPT")
    return True


@pytest.mark.parametrize(
    ("logger", "level", "message", "visible"),
    [
        ("kafka.server.ControllerApis", "ERROR", REQUEST.format("CONTROLLER_REGISTRATION"), False),
        ("kafka.server.ControllerApis", "ERROR", REQUEST.format("BROKER_REGISTRATION"), True),
        ("kafka.server.ControllerApis", "WARN", "anything else", True),
        ("kafka.server.ControllerRegistrationManager", "INFO", RETURNED.format("NOT_CONTROLLER"), False),
        ("kafka.server.ControllerRegistrationManager", "INFO", RETURNED.format("INVALID_REGISTRATION"), True),
        ("kafka.server.ControllerRegistrationManager", "INFO", "controller acknowledged", False),
        ("kafka.server.ControllerRegistrationManager", "ERROR", "authentication error", True),
        ("kafka.log.LogManager", "ERROR", "Disk error", True),
        ("kafka.log.LogManager", "INFO", "Loading logs", False),
    ],
)
def test_a_line_is_shown_unless_every_start_logs_it(logger: str, level: str, message: str, visible: bool):
    assert shown(logger, level, message) == visible
