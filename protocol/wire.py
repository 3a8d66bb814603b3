"""The base of all messages: their JSON form, parsing it, and its error."""

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

MAX_PARSED_BYTES = 1024 * 1024  # a longer payload is rejected unread

_M = TypeVar("_M", bound=BaseModel)


class ProtocolError(Exception):
    """A payload from outside is malformed. The message is safe to show to its sender."""


class Wire(BaseModel):
    """A message in camelCase JSON. Unknown fields are kept."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="allow",
        json_schema_serialization_defaults_required=True,
        use_attribute_docstrings=True,
    )


class Request(Wire):
    """A message that clients send. Unknown fields are dropped."""

    model_config = ConfigDict(extra="ignore")


def dump(message: BaseModel) -> str:
    return message.model_dump_json(by_alias=True)


def parse(model: type[_M], payload: bytes | str) -> _M:
    """Raises ProtocolError, which names the wrong fields."""
    data = parse_object_or_none(payload)
    if data is None:
        raise ProtocolError("the payload is not a JSON object")
    try:
        return model.model_validate(data)
    except RecursionError as error:
        raise ProtocolError("the payload is nested too deeply") from error
    except ValidationError as error:
        fields = sorted({str(e["loc"][0]) for e in error.errors() if e["loc"]})
        raise ProtocolError(f"wrong or missing fields: {', '.join(fields)}") from error


def parse_or_none(model: type[_M], text: str | None) -> _M | None:
    """Returns None if the text is not such a message. Never raises."""
    data = parse_object_or_none(text)
    try:
        return None if data is None else model.model_validate(data)
    except (ValidationError, RecursionError):
        return None


def parse_object_or_none(text: str | bytes | None) -> dict[str, Any] | None:
    """Returns None if it is not a JSON object or over MAX_PARSED_BYTES. Never raises."""
    if not text or len(text) > MAX_PARSED_BYTES:
        return None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None
