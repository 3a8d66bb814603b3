"""What is done for everyone in a room is done for all, even if it fails for one."""

from uuid import UUID

import pytest

from db import Connection, Pool
from rooms.everyone_present import act_on_everyone_present


async def test_failure_for_one_person_does_not_stop_the_others(pool: Pool) -> None:
    done = []

    async def list_people(_db: Connection, _tenant_id: UUID) -> list[str]:
        return ["Amina", "Bilal", "Chen"]

    async def act(person: str) -> None:
        if person == "Amina":
            raise TimeoutError(person)
        done.append(person)

    with pytest.raises(TimeoutError, match="Amina"):
        await act_on_everyone_present(pool, list_people, act)
    assert done == ["Bilal", "Chen"]
