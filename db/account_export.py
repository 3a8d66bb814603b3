"""Everything held about an account, as JSON. Reads the tables of many modules.

`tests/db/test_account_export.py` fails for a table with an account that is forgotten. The rows are
complete, so that a new column is exported too.
"""

from dataclasses import dataclass
from uuid import UUID

from db import Connection
from db.access_log import WordsRead

Json = str


@dataclass(frozen=True)
class Part:
    """Rows of the export: the name of their file, and what they are, for the person."""

    name: str
    title: str
    note: str
    query: str  # $1 is the tenant, $2 the account; one JSON object for each row


@dataclass(frozen=True)
class ExportSession:
    id: UUID
    facts: Json


@dataclass(frozen=True)
class ExportedWords:
    """What the person may read of a session, and whose words these are."""

    segments: tuple[Json, ...]
    read: tuple[WordsRead, ...]


PARTS: tuple[Part, ...] = (
    Part(
        "account",
        "Your account",
        "Who you are. Bodh gets your name and e-mail address from your sign-in.",
        """select to_jsonb(a) - 'tenant_id' from accounts a
           where a.tenant_id = $1 and a.id = $2""",
    ),
    Part(
        "settings",
        "Your settings",
        "What you chose in the settings. Empty if you never changed one.",
        """select to_jsonb(s) - 'tenant_id' - 'account_id' from account_settings s
           where s.tenant_id = $1 and s.account_id = $2""",
    ),
    Part(
        "consents",
        "What you agreed to",
        "Each text that you or a guardian agreed to, by its version and hash, and when.",
        """select to_jsonb(c) - 'tenant_id' - 'account_id' from consents c
           where c.tenant_id = $1 and c.account_id = $2 order by c.given_at, c.id""",
    ),
    Part(
        "sign-ins",
        "Where you are signed in",
        "Browsers that are signed in with your account. Their keys are left out.",
        """select to_jsonb(s) - '{tenant_id,account_id,key_hash,id_token}'::text[]
           from auth_sessions s where s.tenant_id = $1 and s.account_id = $2
           order by s.created_at, s.id""",
    ),
    Part(
        "enrollments",
        "Your courses",
        "Courses that you have joined.",
        """select to_jsonb(e) - 'tenant_id' - 'account_id' || jsonb_build_object('course', c.title)
           from enrollments e join courses c on c.tenant_id = e.tenant_id and c.id = e.course_id
           where e.tenant_id = $1 and e.account_id = $2 order by c.title, c.id""",
    ),
    Part(
        "teaching",
        "Courses that you teach",
        "Courses in which you can read what learners say.",
        """select to_jsonb(s) - 'tenant_id' - 'account_id' || jsonb_build_object('course', c.title)
           from course_staff s join courses c on c.tenant_id = s.tenant_id and c.id = s.course_id
           where s.tenant_id = $1 and s.account_id = $2 order by c.title, c.id""",
    ),
    Part(
        "progress",
        "Your progress",
        "Lessons that you have opened, and how far you came.",
        """select to_jsonb(p) - 'tenant_id' - 'account_id' || jsonb_build_object('lesson', l.title)
           from lesson_progress p
           join lessons l on l.tenant_id = p.tenant_id and l.id = p.lesson_id
           where p.tenant_id = $1 and p.account_id = $2 order by p.last_accessed_at, l.id""",
    ),
    Part(
        "quizzes",
        "Your quizzes",
        "How many questions you answered, and how many of them correctly.",
        """select to_jsonb(q) - 'tenant_id' - 'account_id' || jsonb_build_object('lesson', l.title)
           from quiz_runs q join lessons l on l.tenant_id = q.tenant_id and l.id = q.lesson_id
           where q.tenant_id = $1 and q.account_id = $2 order by q.updated_at, l.id""",
    ),
    Part(
        "rooms",
        "Rooms that you have entered",
        "The lesson that you were on in each room, and when Bodh last greeted you.",
        """select to_jsonb(k) - 'tenant_id' - 'account_id' || jsonb_build_object(
                    'room', r.name, 'opened_by_you', r.opener_account_id is not distinct from $2)
           from room_learners k
           join livekit_rooms r on r.tenant_id = k.tenant_id and r.id = k.room_id
           where k.tenant_id = $1 and k.account_id = $2 order by k.token_at, k.room_id""",
    ),
    Part(
        "erased",
        "What you have erased",
        "When you erased what you said in a conversation. The words themselves are gone.",
        """select to_jsonb(e) - 'tenant_id' - 'account_id' from erasures e
           where e.tenant_id = $1 and e.account_id = $2 order by e.erased_at, e.id""",
    ),
    Part(
        "set-aside",
        "Words that could not be stored",
        "What you said and Bodh could not store, kept until an operator has looked at the error.",
        """select d.payload from dead_letters d
           where d.tenant_id = $1
             and $2::uuid::text in (d.payload ->> 'account_id', d.payload ->> 'to_account_id')
           order by d.payload ->> 'started_at'""",
    ),
    Part(
        "read-by",
        "Who has read your words",
        "People who opened a transcript with your words, found them in a search, or exported them.",
        """select to_jsonb(l) - 'tenant_id' - 'account_id' || jsonb_build_object('reader', a.name)
           from access_log l
           left join accounts a on a.tenant_id = l.tenant_id and a.id = l.reader_account_id
           where l.tenant_id = $1 and l.account_id = $2 order by l.at, l.id""",
    ),
    Part(
        "read-by-you",
        "Whose words you have read",
        "When you read what others said. They see these entries.",
        """select to_jsonb(l) - 'tenant_id' - 'reader_account_id' - 'account_id'
           from access_log l
           where l.tenant_id = $1 and l.reader_account_id = $2 order by l.at, l.id""",
    ),
    Part(
        "restrictions",
        "When you were removed or muted",
        "A teacher removed you from a conversation, or muted you in it, until it ended.",
        """select to_jsonb(r) - '{tenant_id,account_id,by_account_id}'::text[]
           from room_restrictions r
           where r.tenant_id = $1 and r.account_id = $2 order by r.since, r.session_id""",
    ),
    Part(
        "restrictions-by-you",
        "When you removed or muted somebody",
        "The conversations in which you did so.",
        """select to_jsonb(r) - '{tenant_id,account_id,by_account_id}'::text[]
           from room_restrictions r
           where r.tenant_id = $1 and r.by_account_id = $2 order by r.since, r.session_id""",
    ),
    Part(
        "requests",
        "Your requests",
        "How often you did something in a minute, counted for an hour to limit it.",
        """select to_jsonb(r) - 'tenant_id' - 'account_id' from request_rates r
           where r.tenant_id = $1 and r.account_id = $2 order by r.minute, r.name""",
    ),
)


async def list_part(db: Connection, tenant_id: UUID, account_id: UUID, part: Part) -> list[Json]:
    rows = await db.fetch(part.query, tenant_id, account_id)
    return [row[0] for row in rows]


async def list_export_sessions(
    db: Connection, tenant_id: UUID, account_id: UUID
) -> list[ExportSession]:
    """Every session that the account was in, or did something to somebody in, oldest first."""
    rows = await db.fetch(
        """select s.id, jsonb_build_object(
                    'id', s.id, 'kind', s.kind, 'started_at', s.started_at, 'ended_at', s.ended_at,
                    'course', c.title, 'module', m.title) as facts
           from sessions s
           join livekit_rooms r on r.tenant_id = s.tenant_id and r.id = s.room_id
           left join courses c on c.tenant_id = r.tenant_id and c.id = r.course_id
           left join modules m on m.tenant_id = r.tenant_id and m.id = r.module_id
           where s.tenant_id = $1 and s.id in (
             select p.session_id from livekit_participants p
             where p.tenant_id = $1 and p.account_id = $2
             union
             select t.session_id from transcript_segments t
             where t.tenant_id = $1 and (t.account_id = $2 or t.to_account_id = $2)
             union
             select e.session_id from session_state_events e
             join accounts a on a.tenant_id = e.tenant_id and a.identity = e.payload ->> 'by'
             where e.tenant_id = $1 and a.id = $2)
           order by s.started_at, s.id""",
        tenant_id,
        account_id,
    )
    return [ExportSession(**row) for row in rows]


async def list_attendance(
    db: Connection, tenant_id: UUID, session_id: UUID, account_id: UUID
) -> list[Json]:
    rows = await db.fetch(
        """select to_jsonb(p) - '{tenant_id,account_id,session_id}'::text[]
           from livekit_participants p
           where p.tenant_id = $1 and p.session_id = $2 and p.account_id = $3
           order by p.joined_at, p.sid""",
        tenant_id,
        session_id,
        account_id,
    )
    return [row[0] for row in rows]


async def list_logged_events(
    db: Connection, tenant_id: UUID, session_id: UUID, account_id: UUID
) -> list[Json]:
    """The events of the session's log about the account, and those it caused by itself.

    They name nobody else.
    """
    rows = await db.fetch(
        """select jsonb_build_object('seq', e.seq, 'type', e.type, 'at', e.at) || e.payload
                  - case when e.payload ->> 'identity' = a.identity then 'by' else 'identity' end
           from session_state_events e
           join accounts a on a.tenant_id = e.tenant_id
             and a.identity in (e.payload ->> 'identity', e.payload ->> 'by')
           where e.tenant_id = $1 and e.session_id = $2 and a.id = $3 order by e.seq""",
        tenant_id,
        session_id,
        account_id,
    )
    return [row[0] for row in rows]


async def list_exported_words(
    db: Connection, tenant_id: UUID, session_id: UUID, account_id: UUID
) -> ExportedWords:
    """What the account said, what the tutor said to it, and what else it heard in a session.

    The caller records who read them, in the same transaction.
    """
    rows = await db.fetch(
        """select to_jsonb(t) - '{tenant_id,search,account_id,to_account_id,session_id}'::text[]
                  || jsonb_build_object('mine', t.account_id is not distinct from $3) as segment,
                  coalesce(t.account_id, t.to_account_id) as owner_id
           from transcript_segments t
           where t.tenant_id = $1 and t.session_id = $2
             and (t.account_id = $3 or t.to_account_id = $3 or t.id in (
               select h.id from heard_segments h
               where h.tenant_id = $1 and h.session_id = $2 and h.listener_id = $3))
           order by t.started_at, t.epoch, t.local_seq""",
        tenant_id,
        session_id,
        account_id,
    )
    owners = {row["owner_id"] for row in rows} - {None}
    return ExportedWords(
        tuple(row["segment"] for row in rows),
        tuple(WordsRead(session_id, owner) for owner in owners),
    )
