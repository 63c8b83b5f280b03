"""The page /api/docs: every route of the API with its parameters, made from the OpenAPI document.

Plain HTML without a script: the usual viewers come from a CDN, and no request may leave the machine.
"""

from html import escape
from typing import Any, Final

from fastapi import FastAPI
from starlette.responses import HTMLResponse

DOCS: Final = "/api/docs"
OPENAPI: Final = "/api/openapi.json"

_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2530}"
    "code{background:#eef1f4;padding:.1em .3em}h2{margin:2rem 0 .2rem;font-size:1.1rem}p{margin:.2rem 0}"
    "table{border-collapse:collapse;margin:.4rem 0}"
    "td,th{text-align:left;padding:.15rem 1rem .15rem 0;vertical-align:top}"
)


def add_docs(app: FastAPI) -> None:
    """Serve the page; the application must have its OpenAPI document at OPENAPI."""

    @app.get(DOCS, include_in_schema=False)
    def get_docs() -> HTMLResponse:
        return HTMLResponse(docs_page(app.openapi()))


def docs_page(document: dict[str, Any]) -> str:
    """The page of an OpenAPI document."""
    routes = [
        _route(path, method, route) for path, methods in document["paths"].items() for method, route in methods.items()
    ]
    title = escape(document["info"]["title"])
    about = escape(document["info"].get("description", ""))
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1><p>{about}</p>"
        f'<p>The same for programs, with the shape of each answer: <a href="{OPENAPI}">{OPENAPI}</a>.</p>'
        f"{''.join(routes)}</body></html>"
    )


def _route(path: str, method: str, route: dict[str, Any]) -> str:
    rows = "".join(_parameter(one) for one in route.get("parameters", ()))
    table = f"<table><tr><th>parameter</th><th>in</th><th></th></tr>{rows}</table>" if rows else ""
    described = f"<p>{escape(route['description'])}</p>" if route.get("description") else ""
    return (
        f"<h2><code>{escape(method.upper())} {escape(path)}</code></h2><p>{escape(route.get('summary', ''))}</p>"
        f"{described}{table}"
    )


def _parameter(one: dict[str, Any]) -> str:
    required = " (required)" if one.get("required") else ""
    words = one.get("description") or one.get("schema", {}).get("description", "")
    cells = (f"<code>{escape(one['name'])}</code>{required}", escape(one["in"]), escape(words))
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
