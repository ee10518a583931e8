"""The description of the API, OpenAPI 3.1, made of the tables of actions and of errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from dblink.api.actions import ACTIONS, COMMON, MAX_VALUE, VERSION, Action, Parameter
from dblink.api.request import FORM, MAX_NAME, MAX_PARAMETERS
from dblink.api.signature import ALGORITHM
from dblink.links.errors import FAILURES

_REQUEST_ID: Final = {
    "type": "string",
    "pattern": "^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$",
    "description": "of this request, unique",
}

_NO_ZERO: Final = "^[^\\u0000]*$"

_SIGNING: Final = (
    f"{ALGORITHM} Credential={{access key}},SignedHeaders={{names}},Signature={{hexadecimal "
    "digits}. Signed with it are the headers host, x-acs-date, x-acs-signature-nonce, "
    "x-acs-content-sha256, every other x-acs-* header, and Content-Type if there is a body."
)

_ABOUT: Final = (
    "Named links between PostgreSQL databases, by the interface that the service has. Parameters "
    "stand in the query, in a form as the body, or in both, each of them once. Unknown ones are "
    "ignored. Action and Version may stand in the headers x-acs-action and x-acs-version, too."
)

_WAITING: Final = (429, 503)
"""Answers that say when to try again."""


def description() -> dict[str, Any]:
    """The whole description, for JSON."""
    answers = _answers()
    return {
        "openapi": "3.1.0",
        "info": {"title": "Link catalogue", "version": VERSION, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"signature": []}],
        "paths": {
            "/": {
                "get": {
                    "operationId": "get",
                    "summary": "An action, with its parameters in the query.",
                    "parameters": list(_query()),
                    "responses": answers,
                },
                "post": {
                    "operationId": "post",
                    "summary": "An action, with its parameters in a form.",
                    "requestBody": {
                        "required": True,
                        "content": {FORM: {"schema": _forms()}},
                    },
                    "responses": answers,
                },
            }
        },
        "components": {
            "securitySchemes": {
                "signature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": _SIGNING,
                }
            },
            "schemas": {
                **{name: _form(name, action) for name, action in ACTIONS.items()},
                **{f"{name}Response": _members(action) for name, action in ACTIONS.items()},
                "Error": _error(FAILURES),
            },
        },
    }


def _schema(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "description": parameter.description}
    if parameter.required:
        schema["minLength"] = 1
    schema["maxLength"] = parameter.max_length
    if parameter.pattern is not None:
        # What may be left out may be empty, too.
        inner = parameter.pattern.removeprefix("^").removesuffix("$")
        schema["pattern"] = parameter.pattern if parameter.required else f"^({inner})?$"
    if parameter.secret:
        schema["format"] = "password"
    return schema


def _query() -> Iterable[dict[str, Any]]:
    """All parameters of all actions, once each. What holds for one action only cannot be said
    here; the forms of POST say it."""
    common = _common()
    common["Action"] = {"enum": list(ACTIONS), **common["Action"]}
    for parameter in COMMON:
        required = parameter.name != "Format"
        yield _in_query(parameter.name, common[parameter.name], required=required)
    for name in dict.fromkeys(p.name for action in ACTIONS.values() for p in action.parameters):
        takers = {a: p for a, action in ACTIONS.items() if (p := action.parameter(name))}
        everywhere = len(takers) == len(ACTIONS) and all(p.required for p in takers.values())
        told = "; ".join(f"{action}: {p.description}" for action, p in takers.items())
        schema: dict[str, Any] = {"type": "string", "maxLength": MAX_VALUE}
        if everywhere:
            schema = _schema(next(iter(takers.values())))
        yield _in_query(name, {**schema, "description": told}, required=everywhere)


def _in_query(name: str, schema: dict[str, Any], *, required: bool) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "schema": schema}


def _common() -> dict[str, dict[str, Any]]:
    schemas = {parameter.name: _schema(parameter) for parameter in COMMON}
    schemas["Version"]["const"] = VERSION
    return schemas


def _forms() -> dict[str, Any]:
    where = {name: f"#/components/schemas/{name}" for name in ACTIONS}
    return {
        "oneOf": [{"$ref": place} for place in where.values()],
        "discriminator": {"propertyName": "Action", "mapping": where},
    }


def _form(name: str, action: Action) -> dict[str, Any]:
    properties = _common()
    properties["Action"]["const"] = name
    properties |= {parameter.name: _schema(parameter) for parameter in action.parameters}
    required = [parameter.name for parameter in action.parameters if parameter.required]
    form: dict[str, Any] = {
        "type": "object",
        "description": action.summary,
        "properties": properties,
        "required": ["Action", "Version", *required],
        "propertyNames": {"minLength": 1, "maxLength": MAX_NAME, "pattern": _NO_ZERO},
        "additionalProperties": {"type": "string", "maxLength": MAX_VALUE, "pattern": _NO_ZERO},
        "maxProperties": MAX_PARAMETERS,
    }
    if action.either:
        form["anyOf"] = [{"required": list(names)} for names in action.either]
    return form


def _members(action: Action) -> dict[str, Any]:
    """What an action answers."""
    properties: dict[str, Any] = {"RequestId": _REQUEST_ID}
    properties |= {
        member.name: {"type": "string", "description": member.description}
        for member in action.answer
    }
    if action.infos:
        infos = {
            member.name: {"type": "string", "description": member.description}
            for member in action.infos
        }
        properties["DBLinkInfos"] = {
            "type": "array",
            "items": {
                "type": "object",
                "properties": infos,
                "required": list(infos),
                "additionalProperties": False,
            },
        }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _error(codes: Iterable[str]) -> dict[str, Any]:
    properties = {
        "RequestId": _REQUEST_ID,
        "HostId": {"type": "string", "description": "the header Host of the request"},
        "Code": {"type": "string", "enum": list(codes)},
        "Message": {"type": "string", "description": "what is wrong, for people"},
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _answers() -> dict[str, Any]:
    kinds: dict[tuple[Parameter, ...], str] = {}  # those that are alike once
    for name, action in ACTIONS.items():
        kinds.setdefault((*action.answer, *action.infos), name)
    good = {"oneOf": [{"$ref": f"#/components/schemas/{n}Response"} for n in kinds.values()]}
    answers = {"200": _answer("What the action answers.", good)}
    for status in sorted({failure.status for failure in FAILURES.values()}):
        rows = {code: row for code, row in FAILURES.items() if row.status == status}
        told = "; ".join(f"{code}: {row.when}" for code, row in rows.items())
        answers[str(status)] = _answer(f"{told}.", _error(rows), waiting=status in _WAITING)
    return answers


def _answer(told: str, schema: dict[str, Any], *, waiting: bool = False) -> dict[str, Any]:
    headers: dict[str, Any] = {
        "x-acs-request-id": {"required": True, "schema": _REQUEST_ID},
    }
    if waiting:
        headers["Retry-After"] = {
            "description": "seconds after which to try again, if that is known",
            "schema": {"type": "string", "pattern": "^[1-9][0-9]*$"},
        }
    return {
        "description": told,
        "headers": headers,
        "content": {
            "application/json": {"schema": schema},
            "text/xml": {"schema": {"type": "string"}},
        },
    }
