-- Shows learners everything that the tutor said to them, such as a greeting that they cut short within
-- their first second in the room, and whom the tutor spoke to: whoever reads an answer reads of what
-- that learner asked. The rule is otherwise that of 0019.
create or replace view heard_segments with (security_invoker = true) as
select k.account_id as listener_id, x.room_id, s.tenant_id, s.session_id, s.id, s.account_id,
       s.identity, s.name, s.role, s.source, s.text, s.started_at, s.ended_at, s.lesson_id,
       s.language, s.confidence, s.interrupted, s.in_reply_to, s.provenance, s.epoch, s.local_seq,
       s.search, s.to_account_id
from room_learners k
join sessions x on x.tenant_id = k.tenant_id and x.room_id = k.room_id
join transcript_segments s on s.tenant_id = x.tenant_id and s.session_id = x.id
where s.text <> ''
  and (
    s.account_id = k.account_id
    or s.to_account_id = k.account_id
    or exists (
      select from transcript_segments q
      where q.tenant_id = s.tenant_id and q.session_id = s.session_id and q.id = s.in_reply_to
        and q.account_id = k.account_id)
    or (
      -- two stays, because a connection may have been replaced within the second
      select bool_or(y.joined_at <= s.ended_at and y.left_at >= date_trunc('second', s.ended_at))
         and bool_or(y.joined_at <= s.ended_at - interval '1 second'
                     and y.left_at >= date_trunc('second', s.ended_at - interval '1 second'))
      from (
        select p.joined_at + case when p.joined_at = date_trunc('second', p.joined_at)
                               then interval '1 second' else interval '0' end as joined_at,
               coalesce(p.left_at, 'infinity') as left_at
        from livekit_participants p
        where p.tenant_id = s.tenant_id and p.session_id = s.session_id
          and p.account_id = k.account_id
      ) y));
