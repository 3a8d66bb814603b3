-- The watcher applies webhooks instead of the token server. A view shows who heard each segment.

-- The only rule for who may read which transcript: learners may read what they said, and what was
-- said while they were in the room. The second in which they left counts in full, because the media
-- server reports whole seconds.
create view heard_segments with (security_invoker = true) as
select k.account_id as listener_id, x.room_id, s.tenant_id, s.session_id, s.id, s.account_id,
       s.identity, s.name, s.role, s.source, s.text, s.started_at, s.ended_at, s.lesson_id,
       s.language, s.confidence, s.interrupted, s.in_reply_to, s.provenance, s.epoch, s.local_seq,
       s.search
from room_learners k
join sessions x on x.tenant_id = k.tenant_id and x.room_id = k.room_id
join transcript_segments s on s.tenant_id = x.tenant_id and s.session_id = x.id
where s.text <> ''
  and (s.account_id = k.account_id or exists (
    select from livekit_participants p
    where p.tenant_id = s.tenant_id and p.session_id = s.session_id and p.account_id = k.account_id
      and p.joined_at <= s.ended_at
      and coalesce(p.left_at, 'infinity') >= date_trunc('second', s.started_at)));

do $$
begin
  if exists (select from pg_roles where rolname = 'bodh_app') then
    grant select on heard_segments to bodh_app;
  end if;
  if exists (select from pg_roles where rolname = 'bodh_watch') then
    grant select, insert on webhook_events to bodh_watch;
  end if;
end $$;
