"""The rows that twins begin with, and the changes that put them in different states."""

from dataclasses import replace
from uuid import UUID

from db import (
    Connection,
    access_log,
    accounts,
    attendance,
    consents,
    course_staff,
    restrictions,
    rooms,
    transcripts,
)
from db.consent_texts import transcript_text
from db.stays import ParticipantRow
from tests.db.rows import CONSENT, NOW, at, make_learner, segment
from tests.db.test_tenants import Ids
from tests.db.twins import make_twin

TRANSCRIPT = transcript_text()
MARKS = ("CANARYONE", "CANARYTWO")


async def enrich(db: Connection, ids: Ids) -> None:
    """Adds more rows that statements look for: more people, answers, more stays."""
    badr = await accounts.upsert_signed_in_account(
        db,
        ids.tenant_id,
        subject="dev:Badr",
        name="Badr",
        role="learner",
        email="badr@school.example",
    )
    stay = ParticipantRow(ids.session_id, "PA_open", badr.id, NOW, None)
    chen = await make_learner(db, ids.tenant_id, "Chen")
    await rooms.upsert_room_learner(db, ids.tenant_id, ids.room_id, chen.id, None)
    more = replace(stay, sid="PA_chen", account_id=chen.id, left_at=at(1))
    await attendance.upsert_participants(db, ids.tenant_id, [stay, more])
    tutor = [segment(ids.session_id, key, start, None) for key, start in (("r", 3), ("t", 50))]
    said = [*tutor, segment(ids.session_id, "u", 20, badr)]
    await transcripts.insert_segments(db, ids.tenant_id, said)
    person = await accounts.find_account(db, ids.tenant_id, ids.account_id)
    for reader, account_id in ((badr, ids.account_id), (person, badr.id)):
        read = access_log.WordsRead(ids.session_id, account_id)
        await access_log.record_reads(db, ids.tenant_id, reader, "transcript", [read], NOW)
    await restrictions.upsert_restriction(
        db, ids.tenant_id, ids.session_id, badr, "removed", by=chen, now=NOW
    )
    await accounts.update_blocked_at(db, ids.tenant_id, badr.id, NOW)
    invited = await accounts.insert_invited(db, ids.tenant_id, "invited@school.example", "admin")
    await course_staff.upsert_staff_role(db, ids.tenant_id, ids.course_id, invited.id, "mentor")
    of_guardian = replace(CONSENT, kind="guardian")
    await consents.insert_consents_and_set_storing(
        db, ids.tenant_id, invited.id, [of_guardian], NOW
    )


# rows that no function of db/ creates in this form
SAID = """
update account_settings set store_words = true;
update transcript_segments set in_reply_to = 'e' where id = 'r';
update transcript_segments set text = 'Hello learner of template' where id = 't';
insert into erasures (tenant_id, id, kind, account_id, session_id, erased_at)
select t.tenant_id, ('00000000-0000-4000-8000-0000000000' || one)::uuid, gone.kind,
       gone.account_id::uuid, gone.session_id::uuid, now()
from transcript_segments t, (values
  ('e1', 'account', '00000000-0000-4000-8000-0000000000a1', null),
  ('e2', 'session', null, '00000000-0000-4000-8000-0000000000a2')
) gone(one, kind, account_id, session_id) where t.id = 's';
insert into retention_rules (tenant_id, kind, days)
select tenant_id, 'accounts', 9 from transcript_segments where id = 's';
insert into retention_removals (tenant_id, kind, day, older_than, removed)
select tenant_id, 'accounts', '2026-01-02', '2026-01-01', 3
from transcript_segments where id = 's';
insert into sessions (tenant_id, id, room_id, status)
select tenant_id, '00000000-0000-4000-8000-0000000000d5', room_id, 'completed' from sessions
where agent_epoch >= 0 limit 1;
insert into accounts (tenant_id, id, subject, name, identity)
select tenant_id, '00000000-0000-4000-8000-0000000000b1', 'cleo', 'Cleo', 'l_cleo'
from transcript_segments where id = 's';
update transcript_segments set lesson_id = (select id from lessons where title = 'Apples');
update quiz_runs set hint_level = 2;
insert into livekit_rooms (tenant_id, id, name)
select tenant_id, '00000000-0000-4000-8000-0000000000c2', 'noisy'
from transcript_segments where id = 's';
insert into sessions (tenant_id, id, room_id)
select tenant_id, '00000000-0000-4000-8000-0000000000d6', id from livekit_rooms
where name = 'noisy';
insert into livekit_participants (tenant_id, session_id, sid, account_id, joined_at)
select tenant_id, '00000000-0000-4000-8000-0000000000d6', 'PA_noisy', id, now() from accounts
where name = 'Cleo';
insert into room_restrictions (tenant_id, session_id, account_id, kind, since)
select tenant_id, '00000000-0000-4000-8000-0000000000d6', id, 'removed', now() from accounts
where name = 'Cleo';
update livekit_rooms set locked_by = '00000000-0000-4000-8000-0000000000c9',
       locked_until = '2026-11-21 11:00+00';
insert into courses (tenant_id, id, slug, title)
select tenant_id, '00000000-0000-4000-8000-000000000002', 'other', 'Other' from courses
where slug = 'tiny-course';
insert into course_staff (tenant_id, course_id, account_id, role)
select tenant_id, course_id, null, 'mentor' from course_staff;
insert into modules (tenant_id, id, course_id, title, order_index)
select tenant_id, '00000000-0000-4000-8000-000000000003', '00000000-0000-4000-8000-000000000002',
       'Elsewhere', 0 from courses where slug = 'other';
insert into lessons (tenant_id, id, module_id, title, order_index)
select tenant_id, '00000000-0000-4000-8000-000000000004', id, 'Figs', 0
from modules where title = 'Elsewhere';
insert into modules (tenant_id, id, course_id, title, order_index)
select tenant_id, '00000000-0000-4000-8000-000000000005', id, 'Empty', 9
from courses where slug = 'tiny-course';
insert into dead_letters (tenant_id, kind, entry_key, payload, error)
select tenant_id, 'segment', 'own', jsonb_build_object(
  'session_id', session_id, 'account_id', account_id), '' from transcript_segments where id = 's';
insert into dead_letters (tenant_id, kind, entry_key, payload, error)
select tenant_id, 'segment', 'answer', jsonb_build_object(
  'session_id', session_id, 'in_reply_to', 'e'), '' from transcript_segments where id = 's';
insert into passages (tenant_id, lesson_id, number, kind, body)
select tenant_id, id, 1, 'text', '![figs](picture:figs.png)' from lessons where title = 'Figs';
insert into background_jobs (tenant_id, id, kind, state, due_at, ended_at)
select id, ('00000000-0000-4000-8000-00000000000' || n)::uuid, 'prune', state,
       '2026-11-21 11:00+00', ended_at
from tenants, (values (7, 'processing', null), (8, 'pending', null), (9, 'failed', now()),
                      (6, 'completed', now() - interval '1 h')) old(n, state, ended_at)
where id = (select tenant_id from admin_notices);
insert into admin_notices (tenant_id, host, name, first_at, last_at, cleared_at)
select tenant_id, host, 'media_away', first_at, last_at, last_at from admin_notices;
"""
# puts the twins in different states, which reveals a check that ignores the tenant
ONLY_FIRST = (
    """insert into consents (tenant_id, account_id, kind, policy_version, text_hash, given_at)
       select c.tenant_id, p.account_id, c.kind, c.policy_version, c.text_hash, c.given_at
       from consents c join livekit_participants p on p.tenant_id = c.tenant_id
       where c.tenant_id = $1 and p.sid = 'PA_open'""",
    f"""insert into consents (tenant_id, account_id, kind, policy_version, text_hash, given_at)
       select tenant_id, account_id, 'transcript', '{TRANSCRIPT.policy_version}',
              '{TRANSCRIPT.text_hash}', now()
       from account_settings where tenant_id = $1""",  # noqa: S608
    "delete from livekit_participants where tenant_id = $1 and sid = 'PA_chen'",
    """insert into passages (tenant_id, lesson_id, number, kind, body)
       select tenant_id, id, 77, 'text', '![a](picture:first.png)'
       from lessons where tenant_id = $1 and title like 'Apples%'""",
    """insert into lessons (tenant_id, id, module_id, title, order_index)
       select tenant_id, '00000000-0000-4000-8000-000000000001', module_id, 'Dates', 50
       from lessons where tenant_id = $1 and title like 'Bananas%'""",
    """insert into lessons (tenant_id, id, module_id, title, order_index)
       values ($1, '00000000-0000-4000-8000-000000000006',
               '00000000-0000-4000-8000-000000000005', 'Grapes', 0)""",
    """insert into lesson_progress (tenant_id, account_id, lesson_id)
       select p.tenant_id, p.account_id, l.id from lesson_progress p join lessons l
       on l.tenant_id = p.tenant_id and l.title in ('Dates', 'Grapes') where p.tenant_id = $1""",
    """insert into quiz_runs (tenant_id, account_id, lesson_id)
       select q.tenant_id, q.account_id, l.id from quiz_runs q join lessons l
       on l.tenant_id = q.tenant_id and l.title like 'A draft%'
       where q.tenant_id = $1""",
    """insert into accounts (tenant_id, id, subject, name, identity)
       values ($1, '00000000-0000-4000-8000-0000000000b2', 'dina', 'Dina', 'l_dina')""",
    """insert into livekit_rooms (tenant_id, id, name)
       values ($1, '00000000-0000-4000-8000-0000000000c1', 'own')""",
    """insert into sessions (tenant_id, id, room_id, status)
       select $1, ('00000000-0000-4000-8000-0000000000d' || n)::uuid,
              '00000000-0000-4000-8000-0000000000c1', 'completed' from generate_series(1, 3) n""",
    """insert into sessions (tenant_id, id, room_id, status)
       select distinct $1::uuid, '00000000-0000-4000-8000-0000000000d4'::uuid, room_id, 'completed'
       from room_learners where tenant_id = $1""",
    """insert into room_learners (tenant_id, room_id, account_id)
       values ($1, '00000000-0000-4000-8000-0000000000c1',
               '00000000-0000-4000-8000-0000000000b1')""",
    """insert into livekit_participants (tenant_id, session_id, sid, account_id, joined_at, left_at)
       values ($1, '00000000-0000-4000-8000-0000000000d2', 'PA_c',
               '00000000-0000-4000-8000-0000000000b1', now(), now())""",
    """insert into transcript_segments (tenant_id, session_id, id, account_id, identity, name, role,
         source, text, started_at, ended_at, epoch, local_seq)
       values ($1, '00000000-0000-4000-8000-0000000000d3', 'c',
               '00000000-0000-4000-8000-0000000000b1', 'l_cleo', 'Cleo', 'learner', 'text', 'c',
               now(), now(), 1, 1)""",
    """insert into transcript_segments (tenant_id, session_id, id, identity, name, role,
         source, text, started_at, ended_at, epoch, local_seq)
       values ($1, '00000000-0000-4000-8000-0000000000d5', 'x', 'a_1', 'Bodh', 'tutor', 'text', 'x',
               now(), now(), 1, 1)""",
    """insert into livekit_participants (tenant_id, session_id, sid, account_id, joined_at)
       select tenant_id, session_id, 'PA_d', '00000000-0000-4000-8000-0000000000b1', now()
       from transcript_segments where tenant_id = $1 and id = 's'""",
    """insert into transcript_segments (tenant_id, session_id, id, account_id, identity, name, role,
         source, text, started_at, ended_at, epoch, local_seq)
       select tenant_id, session_id, 'd', '00000000-0000-4000-8000-0000000000a1', 'l_gone', 'Gone',
         'learner', 'text', 'd', now(), now(), 1, 1
       from transcript_segments where tenant_id = $1 and id = 's'""",
    """insert into session_state_events
         (tenant_id, session_id, seq, type, version, at, payload, hash, idempotency_key)
       select e.tenant_id, x.session_id, 98, 'participant.released', 1, e.at,
              jsonb_build_object('identity', 'l_x', 'by', x.by), e.hash, 'by'
       from session_state_events e
       join accounts a on a.tenant_id = e.tenant_id and a.subject like 'dev:learner of%'
       join lateral (values
         ('00000000-0000-4000-8000-0000000000d6'::uuid, a.identity),
         ('00000000-0000-4000-8000-0000000000d4', replace(a.identity, 'CANARYONE', ''))
       ) x(session_id, by) on true  -- by their account, and by that of the template
       where e.tenant_id = $1 and e.seq = 1""",
    """insert into livekit_participants (tenant_id, session_id, sid, account_id, joined_at, left_at)
       select tenant_id, session_id, 'PA_flood_' || n, account_id, joined_at - interval '5 seconds',
              joined_at - interval '4 seconds'
       from livekit_participants, generate_series(1, 10) n where tenant_id = $1 and sid = 'PA_1'""",
    """update livekit_participants set left_at = joined_at + interval '13 seconds'
       where tenant_id = $1 and left_at is null""",
    """insert into course_staff (tenant_id, course_id, account_id, role)
       values ($1, '00000000-0000-4000-8000-000000000002',
               '00000000-0000-4000-8000-0000000000b1', 'mentor')""",
    "update accounts set claims_at = '2027-01-01' where tenant_id = $1 and subject like 'dev:l%'",
)
ONLY_SECOND = (
    """delete from room_learners l using accounts a
       where l.tenant_id = $1 and a.id = l.account_id and a.subject like 'dev:Chen%'""",
    """insert into passages (tenant_id, lesson_id, number, kind, body)
       select tenant_id, id, 77, 'text', '![a](picture:second.png)'
       from lessons where tenant_id = $1 and title like 'Apples%'""",
    "update sessions set agent_epoch = 3, agent_dispatched_at = started_at where tenant_id = $1",
    """insert into session_state_events
         (tenant_id, session_id, seq, type, version, at, payload, hash, idempotency_key)
       select tenant_id, session_id, 99, 'agent.left', version, at, payload, hash, 'gone:0'
       from session_state_events where tenant_id = $1 and seq = 1""",
    "delete from erased_segments where tenant_id = $1",
    "delete from course_staff where tenant_id = $1 and account_id is not null",
    "delete from erasures where tenant_id = $1",
    """update livekit_participants set left_at = joined_at + interval '33 seconds'
       where tenant_id = $1 and sid = 'PA_1'""",
    """update sessions set status = 'completed', ended_at = started_at + interval '23 seconds'
       where tenant_id = $1 and id <> '00000000-0000-4000-8000-0000000000d6'""",
    """update livekit_rooms r set module_id = l.module_id from lessons l
       where r.tenant_id = $1 and l.tenant_id = $1 and l.title like 'Bananas%'""",
    """update modules m set order_index = -5 from lessons l where m.tenant_id = $1
       and l.tenant_id = $1 and l.title like 'Bananas%' and m.id = l.module_id""",
    "update modules set order_index = 200000 where tenant_id = $1 and title like 'Empty%'",
    """update modules m set course_id = c.id from courses c where m.tenant_id = $1
       and c.tenant_id = $1 and m.title like 'Elsewhere%' and c.slug = 'tiny-course'""",
    "update lessons set is_published = true where tenant_id = $1",
    """update lessons set order_index = 200000 where tenant_id = $1 and title like 'Apples%'""",
    """insert into lesson_progress (tenant_id, account_id, lesson_id)
       select p.tenant_id, p.account_id, l.id from lesson_progress p join lessons l
       on l.tenant_id = p.tenant_id and l.title like 'Bananas%' where p.tenant_id = $1""",
)


async def part(db: Connection, ids: Ids) -> tuple[UUID, UUID]:
    """Creates the twins and puts them in different states."""
    await db.execute(SAID)
    first = await make_twin(db, ids.tenant_id, MARKS[0], 0)
    second = await make_twin(db, ids.tenant_id, MARKS[1], 7)
    await db.execute("set session_replication_role = replica")
    for twin, statements in ((first, ONLY_FIRST), (second, ONLY_SECOND)):
        for statement in statements:
            await db.execute(statement, twin)
    await db.execute("set session_replication_role = origin")
    return first, second
