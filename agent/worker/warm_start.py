"""The slow first steps of a job, taken once in the process that jobs are forked from.

Imported for its effect, by the forkserver only.
"""

import prompts
from agent.livekit_private import load_certificates

load_certificates()
prompts.render("tutor")  # reads all texts
