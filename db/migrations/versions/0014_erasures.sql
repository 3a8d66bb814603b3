-- People and sessions can be deleted, and what was erased is remembered as ids and times.

-- One row for each erasure. It outlives what was erased, so that words that a spool delivers later
-- are refused, and so that a restored backup can be erased again.
create table erasures (
  tenant_id uuid not null references tenants (id),
  id uuid not null default gen_random_uuid(),
  kind text not null check (kind in ('words', 'account', 'session')),
  account_id uuid,                                     -- no foreign key: the row may be gone
  session_id uuid,
  erased_at timestamptz not null,                      -- words: what was said until then
  recorded_at timestamptz not null default now(),
  primary key (tenant_id, id),
  constraint erasures_ids check ((account_id is null) = (kind = 'session')
                                 and (session_id is null) = (kind = 'account'))
);
create index erasures_account on erasures (tenant_id, account_id);
create index erasures_session on erasures (tenant_id, session_id);
create index erasures_recorded on erasures (tenant_id, recorded_at);

alter table erasures enable row level security;
alter table erasures force row level security;
create policy tenant on erasures using (tenant_id = (select current_tenant()))
  with check (tenant_id = (select current_tenant()));

do $$
declare tenant record;
begin
  for tenant in select id from tenants loop             -- forced policies bind the owner as well
    perform set_config('app.tenant_id', tenant.id::text, true);
    insert into erasures (tenant_id, kind, account_id, session_id, erased_at)
    select tenant_id, 'words', account_id, session_id, erased_at from erased_words;
  end loop;
  perform set_config('app.tenant_id', '', true);
end $$;
drop table erased_words;

-- whom the tutor said it to; null for what learners said
alter table transcript_segments add column to_account_id uuid;

alter table accounts add column seen_at timestamptz not null default now();

-- Deleting an account or a session deletes what belongs to it.
alter table livekit_rooms
  drop constraint livekit_rooms_tenant_id_opener_account_id_fkey,
  add foreign key (tenant_id, opener_account_id) references accounts (tenant_id, id)
    on delete set null (opener_account_id);
alter table session_event_heads
  drop constraint session_event_heads_tenant_id_session_id_fkey,
  add foreign key (tenant_id, session_id) references sessions (tenant_id, id) on delete cascade;
alter table session_state_events
  drop constraint session_state_events_tenant_id_session_id_fkey,
  add foreign key (tenant_id, session_id) references session_event_heads (tenant_id, session_id)
    on delete cascade;

-- A log is still never changed, and only deleted as a whole, after its session's erasure was
-- recorded.
drop trigger append_only on session_state_events;
create trigger append_only before update or truncate on session_state_events
  for each statement execute function refuse_change();
alter table session_state_events enable always trigger append_only;

create function refuse_delete() returns trigger language plpgsql as $$
begin
  if not exists (select from erasures where tenant_id = old.tenant_id and kind = 'session'
                 and session_id = old.session_id) then
    raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
  end if;
  return old;
end $$;
create trigger deleted_with_its_session before delete on session_state_events
  for each row execute function refuse_delete();
alter table session_state_events enable always trigger deleted_with_its_session;

-- Postgres would copy frequent values of these columns into its statistics.
alter table transcript_segments
  alter column text set statistics 0, alter column name set statistics 0,
  alter column search set statistics 0;
alter table accounts
  alter column name set statistics 0, alter column subject set statistics 0,
  alter column email set statistics 0;
alter table dead_letters alter column payload set statistics 0;
select pg_clear_attribute_stats(current_schema()::text, part[1], part[2], false)
from (values (array['transcript_segments', 'text']), (array['transcript_segments', 'name']),
             (array['transcript_segments', 'search']), (array['accounts', 'name']),
             (array['accounts', 'subject']), (array['accounts', 'email']),
             (array['dead_letters', 'payload'])) as p (part);

do $$
declare deleter text := 'bodh_jobs';
begin
  if not exists (select from pg_roles where rolname = deleter) then
    deleter := 'bodh_app';                              -- runs the jobs where bodh_jobs is not set up
  end if;
  if exists (select from pg_roles where rolname = 'bodh_app') then
    grant select, insert on erasures to bodh_app;
  end if;
  if exists (select from pg_roles where rolname = 'bodh_drain') then
    grant select on erasures to bodh_drain;
  end if;
  if exists (select from pg_roles where rolname = 'bodh_watch') then
    grant select on erasures to bodh_watch;
  end if;
  if exists (select from pg_roles where rolname = deleter) then
    execute format('grant select, insert on erasures, erased_segments to %I', deleter);
    execute format('grant select, delete on accounts, sessions, transcript_segments, dead_letters
                    to %I', deleter);
    execute format('grant select on room_learners, livekit_participants, session_rooms to %I',
                   deleter);
  end if;
end $$;
