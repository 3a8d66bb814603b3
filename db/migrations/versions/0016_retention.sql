-- How long each kind of data is kept, and what was removed because it was older.

-- A tenant's own rule; without one, the settings RETENTION_* apply.
create table retention_rules (
  tenant_id uuid not null references tenants (id),
  kind text not null check (kind in ('transcripts', 'sessions', 'accounts', 'dead_letters')),
  days int not null check (days >= 0),                 -- 0: forever
  primary key (tenant_id, kind)
);

-- One row for each kind and day on which the nightly job removed something.
create table retention_removals (
  tenant_id uuid not null references tenants (id),
  kind text not null check (kind in ('transcripts', 'sessions', 'accounts', 'dead_letters')),
  day date not null,
  older_than timestamptz not null,
  removed int not null,
  primary key (tenant_id, kind, day)
);

do $$
declare name text;
begin
  foreach name in array array['retention_rules', 'retention_removals'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format(
      'create policy tenant on %I using (tenant_id = (select current_tenant()))
       with check (tenant_id = (select current_tenant()))', name);
  end loop;
end $$;

-- When each account last did something.
alter table accounts drop column seen_at;
create view account_activity with (security_invoker = true) as
select a.tenant_id, a.id, a.role, greatest(
  a.created_at,
  a.claims_at,
  (select max(s.last_seen_at) from auth_sessions s
   where s.tenant_id = a.tenant_id and s.account_id = a.id),
  (select max(l.token_at) from room_learners l
   where l.tenant_id = a.tenant_id and l.account_id = a.id),
  (select max(p.last_accessed_at) from lesson_progress p
   where p.tenant_id = a.tenant_id and p.account_id = a.id),
  (select max(coalesce(c.left_at, c.joined_at)) from livekit_participants c
   where c.tenant_id = a.tenant_id and c.account_id = a.id)) as active_at
from accounts a;

do $$
declare deleter text := 'bodh_jobs';
begin
  if not exists (select from pg_roles where rolname = deleter) then
    deleter := 'bodh_app';                              -- runs the jobs where bodh_jobs is not set up
  end if;
  if exists (select from pg_roles where rolname = deleter) then
    execute format('grant select, insert, update, delete on retention_rules, retention_removals
                    to %I', deleter);
    execute format('grant select on account_activity, lesson_progress, auth_sessions to %I', deleter);
  end if;
end $$;
