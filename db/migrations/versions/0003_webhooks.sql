-- Webhooks of the media server, the LiveKit rooms of a session, who told that somebody left.

-- Ids of the events whose effects are in the other tables, so that a repeat has none.
create table webhook_events (
  tenant_id uuid not null references tenants (id),
  id text not null,
  name text not null,
  created_at timestamptz not null,                     -- by the media server, whole seconds
  processed_at timestamptz not null default now(),
  primary key (tenant_id, id)
);
create index webhook_events_age on webhook_events (tenant_id, processed_at);

-- Every LiveKit room that a session was ever held in: late events name the older ones. One room
-- may have seen two sessions, where the first ended while people stayed.
create table session_rooms (
  tenant_id uuid not null references tenants (id),
  room_sid text not null,
  session_id uuid not null,
  primary key (tenant_id, room_sid, session_id),
  foreign key (tenant_id, session_id) references sessions (tenant_id, id) on delete cascade
);

create function keep_session_room() returns trigger language plpgsql as $$
begin
  insert into session_rooms (tenant_id, room_sid, session_id)
  values (new.tenant_id, new.room_sid, new.id) on conflict do nothing;
  return null;
end $$;
create trigger keep_session_room after insert or update of room_sid on sessions
  for each row when (new.room_sid <> '') execute function keep_session_room();

-- Who told left_at: 0 nobody (inferred from a list or from the session's end), 1 the agent,
-- 2 the media server. A higher one replaces a lower one; among equals the later time holds.
alter table livekit_participants
  add column left_told smallint not null default 0 check (left_told between 0 and 2);
create index livekit_participants_open on livekit_participants (tenant_id, session_id)
  where left_at is null;

do $$
declare tenant record;
begin
  for tenant in select id from tenants loop             -- forced policies bind the owner as well
    perform set_config('app.tenant_id', tenant.id::text, true);
    insert into session_rooms (tenant_id, room_sid, session_id)
    select tenant_id, room_sid, id from sessions where room_sid <> '';
  end loop;
  perform set_config('app.tenant_id', '', true);
end $$;

do $$
declare name text;
begin
  foreach name in array array['webhook_events', 'session_rooms'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format(
      'create policy tenant on %I using (tenant_id = (select current_tenant()))
       with check (tenant_id = (select current_tenant()))', name);
  end loop;
end $$;

do $$
begin
  if exists (select from pg_roles where rolname = 'bodh_app') then
    grant select, insert, delete on webhook_events to bodh_app;
    grant select, insert on session_rooms to bodh_app;
  end if;
end $$;
