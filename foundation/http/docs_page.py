"""An OpenAPI document as a page for people, without scripts, and without anything from other hosts."""

import base64
import hashlib
from html import escape
from typing import Any

STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, h2 { font-family: ui-monospace, monospace; }
h2 { font-size: 1.1rem; margin-top: 2.5rem; border-top: 1px solid #8886; padding-top: 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0; }
th { font-weight: 600; }
:root { color-scheme: light dark; }
"""
POLICY = (
    "default-src 'none'; frame-ancestors 'none'; style-src "
    f"'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"
)
"""A Content-Security-Policy that allows nothing but the style above."""


def page(document: dict[str, Any]) -> str:
    """The HTML of an OpenAPI document."""
    title = escape(document["info"]["title"])
    routes = "".join(
        _route(method, path, item[method])
        for path, item in sorted(document["paths"].items())
        for method in ("get", "post")
        if method in item
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        f"<h1>{title}</h1><p>{escape(document['info']['description'])} "
        'Machine-readable: <a href="/openapi.json">/openapi.json</a>.</p>'
        f"{routes}{_bodies(document)}</body></html>"
    )


def _route(method: str, path: str, operation: dict[str, Any]) -> str:
    parameters = "".join(_parameter(p) for p in operation.get("parameters", ()))
    table = f"<table><tr><th>Parameter</th><th>Values</th><th></th></tr>{parameters}</table>"
    answers = "".join(
        f"<li><code>{escape(status)}</code> {escape(answer.get('description', ''))}</li>"
        for status, answer in sorted(operation["responses"].items())
    )
    return (
        f'<h2 id="{escape(operation["operationId"])}">{method.upper()} {escape(path)}</h2>'
        f"<p>{escape(operation.get('description', ''))}</p>{table if parameters else ''}<ul>{answers}</ul>"
    )


def _bodies(document: dict[str, Any]) -> str:
    """The bodies that may be sent, with their fields."""
    schemas = document.get("components", {}).get("schemas", {})
    names = [
        option["$ref"].rpartition("/")[2]
        for item in document["paths"].values()
        if (body := item.get("post", {}).get("requestBody"))
        for option in body["content"]["application/json"]["schema"].get("oneOf", ())
    ]
    return "".join(_body(name, schemas[name]) for name in names)


def _body(name: str, schema: dict[str, Any]) -> str:
    fields = "".join(
        f"<tr><td><code>{escape(field)}</code></td><td>{escape(_values(kind))}</td>"
        f"<td>{'' if field in schema.get('required', ()) else 'may be left out'}</td></tr>"
        for field, kind in schema["properties"].items()
    )
    return (
        f'<h2 id="{escape(name)}">{escape(name)}</h2><p>{escape(schema.get("description", ""))}</p>'
        f"<table><tr><th>Field</th><th>Values</th><th></th></tr>{fields}</table>"
    )


def _parameter(parameter: dict[str, Any]) -> str:
    schema = parameter.get("schema", {})
    where = "" if parameter["in"] == "query" else f" ({parameter['in']})"
    text = parameter.get("description") or schema.get("description", "")
    return (
        f"<tr><td><code>{escape(parameter['name'])}</code>{where}</td><td>{escape(_values(schema))}</td>"
        f"<td>{escape(text)}</td></tr>"
    )


def _values(schema: dict[str, Any]) -> str:
    choices = schema.get("oneOf") or schema.get("anyOf") or [schema]
    kinds = [choice for choice in choices if choice.get("type") != "null"]
    values = [
        " | ".join(map(str, kind["enum"])) if "enum" in kind else str(kind.get("const", kind.get("type", "")))
        for kind in kinds
    ]
    if "minimum" in schema and "maximum" in schema:
        values.append(f"{schema['minimum']} to {schema['maximum']}")
    if "default" in schema:
        values.append(f"default {schema['default']}")
    return ", ".join(filter(None, values))
