"""The results of a fault run: printed, and written to build/faults/harness.json."""

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.bounds import bounds, share_with_bounds
from bench.faults.compare import Comparison
from bench.result import Measured, summarise
from harness.talker import Talker

REPORT_PATH = Path("build") / "faults" / "harness.json"
ANSWERED_S = 30.0
CLOCKS_APART_S = time.time() - time.monotonic()
SETTLED_S = 10.0  # after a fault, before agents are counted


@dataclass(frozen=True)
class Injected:
    """One fault and its effect on each learner; None if the tutor did not speak."""

    kind: str
    at: float  # monotonic
    ended_at: float
    silent_s: list[float | None]  # from the fault to the next words of the tutor
    answered_s: list[float | None]  # from its end to the answer to a new question

    @property
    def survived(self) -> bool:
        return all(one is not None and one <= ANSWERED_S for one in self.answered_s)


@dataclass
class Observations:
    seed: int
    fault_at: float = 0.0  # when the newest fault began or ended
    faults: list[Injected] = field(default_factory=list)
    agents: Counter[int] = field(default_factory=Counter)  # in a room, at each sample
    agents_settled: Counter[int] = field(default_factory=Counter)  # SETTLED_S after a fault


def make_figures(seen: Observations, kept: Comparison, talkers: list[Talker]) -> dict[str, Any]:
    lost = [
        _after_which_fault(seen, kept.spooled.get(key, 0.0) - CLOCKS_APART_S) for key in kept.lost
    ]
    survived = max(0, sum(fault.survived for fault in seen.faults) - len(lost))
    heard_stored = len(kept.heard & kept.stored)
    asked = sum(len(talker.asked) for talker in talkers)
    answered = sum(one.answered_at is not None for talker in talkers for one in talker.asked)
    return {
        "seed": seen.seed,
        "injected": len(seen.faults),
        "survived": survived,
        "survived_bounds": bounds(survived, len(seen.faults)),
        "heard": len(kept.heard),
        "heard_in_postgres": heard_stored,
        "heard_bounds": bounds(heard_stored, len(kept.heard)) if kept.heard else None,
        "spooled": len(kept.spooled),
        "stored": len(kept.stored),
        "lost": lost,
        "doubled": kept.doubled,
        "hidden": len(kept.hidden),
        "gaps": kept.gaps,
        "out_of_order": [_after_which_fault(seen, at - CLOCKS_APART_S) for at in kept.out_of_order],
        "dead_letters": kept.dead_letters,
        "utterances": asked,
        "answered": answered,
        "cut_in_flight": asked - len(kept.heard),
        "second_greetings": sum(map(second_greetings, talkers)),
        "old_voices": [
            _after_which_fault(seen, at) for talker in talkers for at in old_voices(talker)
        ],
        "agents_in_a_room": _sorted_counts(seen.agents),
        "agents_10_s_after_a_fault": _sorted_counts(seen.agents_settled),
        "joins": [len(talker.connections) for talker in talkers],
        "kinds": {
            kind: _figures_of_kind(seen, kind) for kind in sorted({f.kind for f in seen.faults})
        },
    }


def make_result(seen: Observations, made: dict[str, Any]) -> Measured:
    """Milliseconds from a fault to the tutor's next words; ANSWERED_S if it said none."""
    silent = [
        1000 * (ANSWERED_S if one is None else one)
        for fault in seen.faults
        for one in fault.silent_s
    ]
    counted = ("lost", "out_of_order", "old_voices")
    kept = ("doubled", "hidden", "gaps", "dead_letters", "second_greetings")
    return Measured(
        unit="ms",
        ours=summarise(silent),
        quality={
            "not_survived": made["injected"] - made["survived"],
            "injected": made["injected"],
            "heard_not_stored": made["heard"] - made["heard_in_postgres"],
            "heard": made["heard"],
            **{name: len(made[name]) for name in counted},
            **{name: made[name] for name in kept},
            "seed": made["seed"],
        },
    )


def _sorted_counts(counter: Counter[int]) -> dict[str, int]:
    return {str(number): counter[number] for number in sorted(counter)}


def _after_which_fault(seen: Observations, at: float) -> str:
    """Names the last fault before a moment of the monotonic clock."""
    before = [fault for fault in seen.faults if fault.at < at]
    return f"{at - before[-1].at:.1f} s after {before[-1].kind}" if before else "before any fault"


def _figures_of_kind(seen: Observations, kind: str) -> dict[str, Any]:
    faults = [fault for fault in seen.faults if fault.kind == kind]
    silent = [one for fault in faults for one in fault.silent_s]
    answered = [one for fault in faults for one in fault.answered_s]
    return {
        "injected": len(faults),
        "survived": sum(fault.survived for fault in faults),
        "silent_s": _percentiles(silent),
        "answered_s": _percentiles(answered),
    }


def _percentiles(values: list[float | None]) -> dict[str, float | int]:
    """Median, 95th percentile and maximum; `never` counts missing values."""
    came = sorted(one for one in values if one is not None)
    if not came:
        return {"never": len(values)}
    places = {"p50": 0.5, "p95": 0.95, "max": 1.0}
    found = {
        name: round(came[min(len(came) - 1, int(at * len(came)))], 2) for name, at in places.items()
    }
    return found | {"never": len(values) - len(came)}


def second_greetings(talker: Talker) -> int:
    """Welcomes after the first; `I am back` and the apology of a resumed lesson do not count."""
    openings = ("hello ", "welcome back to ", "good to see you again")
    said = [caption.text.strip().lower() for caption in talker.tutor_captions()]
    return max(0, sum(text.startswith(openings) for text in said) - 1)


def old_voices(talker: Talker) -> list[float]:
    """When an agent began a sentence after a newer one had spoken in the same session."""
    newest: dict[str, int] = {}
    found = []
    for caption in talker.tutor_captions():
        _, session, epoch = caption.identity.split("_")
        if int(epoch) < newest.get(session, 0):
            found.append(caption.first_at)
        newest[session] = max(newest.get(session, 0), int(epoch))
    return found


def write_report(made: dict[str, Any]) -> None:
    REPORT_PATH.parent.mkdir(parents=True, exist_ok=True)
    REPORT_PATH.write_text(json.dumps(made, indent=1) + "\n")
    survived = share_with_bounds(made["survived"], made["injected"])
    stored = share_with_bounds(made["heard_in_postgres"], made["heard"])
    print(f"\nfaults survived / injected: {survived}")
    print(f"segments in Postgres / segments heard: {stored}")
    for name in ("spooled", "stored", "lost", "doubled", "hidden", "gaps", "out_of_order",
                 "dead_letters", "utterances", "cut_in_flight", "second_greetings", "old_voices",
                 "agents_in_a_room", "agents_10_s_after_a_fault", "joins", "seed"):  # fmt: skip
        print(f"{name.replace('_', ' ')}: {made[name]}")
    for kind, row in made["kinds"].items():
        print(
            f"{kind}: {row['survived']} of {row['injected']}; silent {row['silent_s']},"
            f" answered {row['answered_s']}"
        )
    print(f"details: {REPORT_PATH}")
