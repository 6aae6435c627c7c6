"""The rules that our OpenAPI documents keep, besides the specification: those of Spectral and Redocly."""

from typing import Any

from openapi_spec_validator import OpenAPIV31SpecValidator

Json = dict[str, Any]


def violations(document: Json) -> list[str]:
    """What is wrong with a document; empty: nothing."""
    wrong = [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()]
    wrong += [
        f"info has no {name}"
        for name in ("contact", "license", "description")
        if name not in document["info"]
    ]
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    ids = [operation["operationId"] for operation in operations]
    if len(ids) != len(set(ids)):
        wrong.append("operation ids repeat")
    tags = {tag["name"] for tag in document["tags"] if tag["description"]}
    schemes = set(document["components"].get("securitySchemes", {}))
    for operation in operations:
        name = operation["operationId"]
        if not operation["tags"] or not tags >= set(operation["tags"]):
            wrong.append(f"{name} has no tag with a description")
        security = operation.get("security", document.get("security"))
        if security is None or not all(schemes >= requirement.keys() for requirement in security):
            wrong.append(f"{name} has no security that is defined")
        wrong += [f"{name} {problem}" for problem in _response_violations(operation["responses"])]
        wrong += [
            f"{name}'s parameter {parameter['name']} has no {member}"
            for parameter in operation.get("parameters", ())
            for member in ("description", "schema")
            if not parameter.get(member)
        ]
    text = str(document)
    wrong += [
        f"the schema {name} is not used"
        for name in document["components"]["schemas"]
        if f"'#/components/schemas/{name}'" not in text
    ]
    return wrong


def _response_violations(responses: Json) -> list[str]:
    wrong = []
    if not any(status.startswith("2") for status in responses):
        wrong.append("has no response of success")
    if not any(status.startswith("4") for status in responses):
        wrong.append("has no response to a bad request")
    for status, response in responses.items():
        for name, header in response.get("headers", {}).items():
            if not header.get("schema") or not header.get("description"):
                wrong.append(f"{status} has a header {name} without schema or description")
    return wrong
