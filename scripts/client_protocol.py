"""The page's TypeScript for protocol/: constants, literals and an interface per message."""

import json
from collections.abc import Iterator
from typing import Any, Literal, get_origin

from pydantic import BaseModel, TypeAdapter

import protocol

INTERNAL = (protocol.DispatchMetadata, protocol.Wire, protocol.Request)  # the page never sees them
HEADER = """\
/**
 * The wire contract, generated from protocol/ by `make types`. Don't edit.
 * Optional fields are those that the page may leave out of what it sends.
 */
"""
SCALARS = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}


def protocol_types() -> str:
    public = {name: getattr(protocol, name) for name in protocol.__all__}
    constants = [
        f"export const {name} = {_literal(value)};\n"
        for name, value in public.items()
        if isinstance(value, str | int)
    ]
    types = [
        "\n" + _declaration(name, value)
        for name, value in public.items()
        if get_origin(value) is Literal or _is_message(value)
    ]
    return "".join([HEADER, *constants, *types])


def _is_message(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel) and value not in INTERNAL


def _declaration(name: str, value: Any) -> str:
    sent_by_page = isinstance(value, type) and issubclass(value, protocol.Request)
    schema = TypeAdapter(value).json_schema(mode="validation" if sent_by_page else "serialization")
    if "properties" not in schema:
        return f"export type {name} = {_type(schema)};\n"
    lines = [*_comment(schema, ""), f"export interface {name} {{", *_fields(schema), "}"]
    return "\n".join(lines) + "\n"


def _fields(schema: dict[str, Any]) -> Iterator[str]:
    for name, field in schema["properties"].items():
        yield from _comment(field, "  ")
        optional = "" if name in schema.get("required", ()) else "?"
        yield f"  {name}{optional}: {_type(field)};"


def _comment(schema: dict[str, Any], indent: str) -> list[str]:
    lines = schema.get("description", "").splitlines()
    if len(lines) < 2:
        return [f"{indent}/** {line} */" for line in lines]
    return [f"{indent}/**", *(f"{indent} * {line}".rstrip() for line in lines), f"{indent} */"]


def _type(schema: dict[str, Any]) -> str:
    """Raises ValueError for a kind of schema that no message has used yet."""
    match schema:
        case {"const": value}:
            return _literal(value)
        case {"enum": values}:
            return " | ".join(map(_literal, values))
        case {"anyOf": options}:
            return " | ".join(map(_type, options))
        case {"type": "array", "items": items}:
            return f"({_type(items)})[]" if "|" in _type(items) else f"{_type(items)}[]"
        case {"type": str(kind)} if kind in SCALARS:
            return SCALARS[kind]
        case _:
            raise ValueError(f"no TypeScript for {json.dumps(schema)}")


def _literal(value: str | int) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)
