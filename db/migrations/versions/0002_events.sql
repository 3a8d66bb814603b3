-- The event log of sessions: append-only, gapless, chained by hashes.
-- hash = sha256(hash of the event before, 32 zero bytes for the first, || the lines
-- session id, seq, type, version, at, payload): db/events.py says how each is written.

-- The counter and the newest hash, apart from sessions, so that an append locks no session.
create table session_event_heads (
  tenant_id uuid not null,
  session_id uuid not null,
  last_seq bigint not null check (last_seq > 0),
  last_hash bytea not null check (octet_length(last_hash) = 32),
  primary key (tenant_id, session_id),
  foreign key (tenant_id, session_id) references sessions (tenant_id, id)
);

create table session_state_events (
  tenant_id uuid not null,
  session_id uuid not null,
  seq bigint not null check (seq > 0),
  type text not null,
  version int not null check (version > 0),
  at timestamptz not null,
  payload jsonb not null,                              -- ids and numbers, never words
  hash bytea not null check (octet_length(hash) = 32),
  idempotency_key text,
  primary key (tenant_id, session_id, seq),
  unique (tenant_id, session_id, idempotency_key),
  foreign key (tenant_id, session_id) references session_event_heads (tenant_id, session_id),
  constraint session_started_opens_the_log check ((seq = 1) = (type = 'session.started'))
);

-- Refuses also the owner and a superuser who do it by accident; the chain of hashes is for those
-- who switch the trigger off. `always`: not even session_replication_role = replica passes it.
create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end $$;
create trigger append_only before update or delete or truncate on session_state_events
  for each statement execute function refuse_change();
alter table session_state_events enable always trigger append_only;

do $$
declare name text;
begin
  foreach name in array array['session_event_heads', 'session_state_events'] loop
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
    grant select, insert, update on session_event_heads to bodh_app;
    grant select, insert on session_state_events to bodh_app;
  end if;
  if exists (select from pg_roles where rolname = 'bodh_drain') then
    grant select, update on session_event_heads to bodh_drain;
    grant select, insert on session_state_events to bodh_drain;
  end if;
end $$;

-- Sessions from before the log get its first event, those that ended also the last.
do $$
declare
  tenant uuid;
  one record;
  head bytea;
  body text;
  stamp constant text := 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"';
begin
  for tenant in select id from tenants loop
    perform set_config('app.tenant_id', tenant::text, true);
    for one in select id, kind, room_id, room_sid, status, started_at, ended_at from sessions loop
      body := format('{"kind":"%s","room_id":"%s","room_sid":"%s"}',
                     one.kind, one.room_id, one.room_sid);
      head := sha256(decode(repeat('00', 32), 'hex') || convert_to(concat_ws(E'\n',
        one.id, 1, 'session.started', 1, to_char(one.started_at at time zone 'UTC', stamp), body),
        'UTF8'));
      insert into session_event_heads (tenant_id, session_id, last_seq, last_hash)
        values (tenant, one.id, 1, head);
      insert into session_state_events
          (tenant_id, session_id, seq, type, version, at, payload, hash)
        values (tenant, one.id, 1, 'session.started', 1, one.started_at, body::jsonb, head);
      continue when one.status <> 'completed' or one.ended_at is null;
      body := '{"status":"completed"}';
      head := sha256(head || convert_to(concat_ws(E'\n',
        one.id, 2, 'session.ended', 1, to_char(one.ended_at at time zone 'UTC', stamp), body),
        'UTF8'));
      update session_event_heads set last_seq = 2, last_hash = head
        where tenant_id = tenant and session_id = one.id;
      insert into session_state_events
          (tenant_id, session_id, seq, type, version, at, payload, hash)
        values (tenant, one.id, 2, 'session.ended', 1, one.ended_at, body::jsonb, head);
    end loop;
  end loop;
  perform set_config('app.tenant_id', '', true);
end $$;
