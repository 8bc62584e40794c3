"""The documentation page, made from the OpenAPI document: one file without scripts, so that it works offline."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import Any

from overnight.surfaces.http.openapi import document

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
code { background: #f2f2f2; padding: 0 .2em; } h2 { margin-top: 2.5rem; font-size: 1.1rem; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .2rem .8rem .2rem 0; vertical-align: top; }
"""


def page() -> tuple[bytes, bytes]:
    """(HTML in UTF-8, its content security policy)."""
    described = document()
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'; base-uri 'none'"
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Overnight: HTTP</title>",
        f"<style>{STYLE}</style><h1>Overnight {escape(described['info']['version'])}: HTTP</h1>",
        f"<p>{escape(described['info']['description'])}</p>",
        "<p>Send the home's token as <code>Authorization: Bearer …</code> or <code>X-Auth-Token: …</code>. ",
        "For programs: <a href='/openapi.json'>/openapi.json</a></p>",
    ]
    for path, methods in described["paths"].items():
        parts += [_section(path, method, it, described) for method, it in methods.items()]
    return "".join(parts).encode(), policy.encode()


def _section(path: str, method: str, it: dict[str, Any], described: dict[str, Any]) -> str:
    rows = [
        _row(parameter["name"], parameter["in"], parameter["required"], parameter["schema"], parameter)
        for parameter in it.get("parameters", [])
    ]
    schema = it.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    schema = _resolve(schema, described)
    required = schema.get("required", [])
    rows += [_row(name, "body", name in required, field, field) for name, field in schema.get("properties", {}).items()]
    table = f"<table>{''.join(rows)}</table>" if rows else ""
    title = f"<code>{method.upper()} {escape(path)}</code>"
    needs = f" Needs the verb <code>{escape(it['x-overnight-verb'])}</code>." if it.get("security") != [] else ""
    return f"<h2 id='{escape(it['operationId'])}'>{title}</h2><p>{escape(it['summary'])}{needs}</p>{table}"


def _row(name: str, place: str, required: bool, schema: dict[str, Any], described: dict[str, Any]) -> str:
    kind = (
        schema.get("type") or " or ".join(str(it.get("type", "object")) for it in schema.get("anyOf", [])) or "object"
    )
    default = f", default {schema['default']}" if schema.get("default") is not None else ""
    text = described.get("description") or schema.get("description") or ""
    cells = [f"<code>{escape(name)}</code>", place + (", required" if required else ""), f"{kind}{default}", text]
    return f"<tr><td>{cells[0]}</td>{''.join(f'<td>{escape(str(cell))}</td>' for cell in cells[1:])}</tr>"


def _resolve(schema: dict[str, Any], described: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return dict(described["components"]["schemas"][name]) if name else schema
