-- The lease of a session's agent, and the role that watches over all of them.

-- When a worker took the dispatch of this epoch; null while none has. One taker for each epoch.
alter table sessions add column agent_taken_at timestamptz;

do $$
begin
  if exists (select from pg_roles where rolname = 'bodh_watch') then
    grant select on tenants, accounts, account_settings, courses, modules, lessons, course_lessons,
      lesson_progress, livekit_rooms, room_learners, sessions, session_rooms, livekit_participants,
      session_event_heads, session_state_events to bodh_watch;
    grant update (status, ended_at, room_sid, agent_epoch, agent_dispatched_at, agent_taken_at,
      agent_beat_at) on sessions to bodh_watch;
    grant insert on session_rooms, session_state_events to bodh_watch;
    grant insert, update on livekit_participants to bodh_watch;
    grant update on session_event_heads to bodh_watch;
  end if;
end $$;
