"""The base of our JSON: Python's names inside, camelCase outside."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Camel(BaseModel):
    """Can be made from a row of db/ by `model_validate`, where the names of fields are the same."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, from_attributes=True)
