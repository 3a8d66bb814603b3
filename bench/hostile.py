"""What a hostile participant costs the other learner in the room."""

from pathlib import Path

from bench.figures import format_row
from harness.hostile_room import HostileRoom, hostile_room
from harness.stack import running_stack

PHASE_S = 10.0
MOST_RATIO, MOST_MB, MOST_ROWS = 1.5, 20.0, 200


async def run(seconds: float) -> None:
    """Attacks for `seconds`, and makes harmless noise for as long, alternately."""
    with running_stack() as stack:
        async with hostile_room(stack) as room:
            await room.ask_during("harmless", PHASE_S)  # warm
            room.answers.clear()
            room.memory_mb = room.memory_mb[-1:]
            log = stack.home / "log" / "agent.log"
            before, lines_before = await room.count_events(), _count_lines(log)
            for number in range(1, round(seconds / PHASE_S) + 1):
                await room.ask_during("hostile", PHASE_S)
                await room.ask_during("harmless", PHASE_S)
                phase = f"phase {number}: {_last(room, 'hostile')}, {_last(room, 'harmless')}"
                print(f"{phase}, agents so far: {len(room.agents)}", flush=True)
            rows = await room.count_events() - before
            lines = _count_lines(log) - lines_before
    for mode, answers in room.answers.items():
        print(format_row(f"question -> first words of the answer, {mode}", answers))
    print(f"ratio of the medians      {room.ratio():8.2f}    wanted <= {MOST_RATIO}")
    print(f"memory of the agent job   {room.memory_growth_mb():+8.1f} MB wanted <= {MOST_MB:.0f}")
    print(f"rows in the event log     {rows:8}    wanted <= {MOST_ROWS}")
    print(f"lines in the agent's log  {lines:8}")
    print(f"agents that served        {len(room.agents):8}    wanted 1")


def _count_lines(log: Path) -> int:
    with log.open("rb") as file:
        return sum(1 for _ in file)


def _last(room: HostileRoom, mode: str) -> str:
    answers = next(found for name, found in room.answers.items() if name == mode)
    return f"{mode} {answers[-1]:.2f} s"
