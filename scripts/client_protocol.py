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


def generate_protocol_types() -> str:
    public = {name: getattr(protocol, name) for name in protocol.__all__}
    constants = [
        f"export const {name} = {_typescript_literal(value)};\n"
        for name, value in public.items()
        if isinstance(value, str | int)
    ]
    types = [
        "\n" + _declare_export(name, value)
        for name, value in public.items()
        if get_origin(value) is Literal or _is_message(value)
    ]
    return "".join([HEADER, *constants, *types])


def _is_message(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel) and value not in INTERNAL


def _declare_export(name: str, value: Any) -> str:
    sent_by_page = isinstance(value, type) and issubclass(value, protocol.Request)
    schema = TypeAdapter(value).json_schema(mode="validation" if sent_by_page else "serialization")
    if "properties" not in schema:
        return f"export type {name} = {_typescript_type(schema)};\n"
    lines = [
        *_doc_comment(schema, ""),
        f"export interface {name} {{",
        *_interface_fields(schema),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _interface_fields(schema: dict[str, Any]) -> Iterator[str]:
    for name, field in schema["properties"].items():
        yield from _doc_comment(field, "  ")
        optional = "" if name in schema.get("required", ()) else "?"
        yield f"  {name}{optional}: {_typescript_type(field)};"


def _doc_comment(schema: dict[str, Any], indent: str) -> list[str]:
    lines = schema.get("description", "").splitlines()
    if len(lines) < 2:
        return [f"{indent}/** {line} */" for line in lines]
    return [f"{indent}/**", *(f"{indent} * {line}".rstrip() for line in lines), f"{indent} */"]


def _typescript_type(schema: dict[str, Any]) -> str:
    """Raises ValueError for a kind of schema that no message has used yet."""
    match schema:
        case {"const": value}:
            return _typescript_literal(value)
        case {"enum": values}:
            return " | ".join(map(_typescript_literal, values))
        case {"anyOf": options}:
            return " | ".join(map(_typescript_type, options))
        case {"type": "array", "items": items}:
            return (
                f"({_typescript_type(items)})[]"
                if "|" in _typescript_type(items)
                else f"{_typescript_type(items)}[]"
            )
        case {"type": str(kind)} if kind in SCALARS:
            return SCALARS[kind]
        case _:
            raise ValueError(f"no TypeScript for {json.dumps(schema)}")


def _typescript_literal(value: str | int) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)
