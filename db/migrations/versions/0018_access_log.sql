-- Who has read whose words. Learners see the rows of their own words.

create table access_log (
  tenant_id uuid not null references tenants (id),
  id uuid not null default gen_random_uuid(),
  account_id uuid not null,              -- whose words
  reader_account_id uuid,                -- null: an operator, or the reader was deleted
  reader_role text not null check (reader_role in ('operator', 'admin', 'teacher', 'learner')),
  session_id uuid,                       -- null: the session was deleted
  route text not null check (route in ('transcript', 'search', 'export')),
  at timestamptz not null,               -- the minute
  primary key (tenant_id, id),
  foreign key (tenant_id, account_id) references accounts (tenant_id, id) on delete cascade,
  foreign key (tenant_id, reader_account_id) references accounts (tenant_id, id)
    on delete set null (reader_account_id),
  foreign key (tenant_id, session_id) references sessions (tenant_id, id)
    on delete set null (session_id)
);
create index access_log_account on access_log (tenant_id, account_id, at desc);
create index access_log_reader on access_log (tenant_id, reader_account_id);
create index access_log_session on access_log (tenant_id, session_id);
create index access_log_age on access_log (tenant_id, at);

alter table access_log enable row level security;
alter table access_log force row level security;
create policy tenant on access_log using (tenant_id = (select current_tenant()))
  with check (tenant_id = (select current_tenant()));

-- The application adds rows and never changes them. Only jobs delete old ones.
do $$
begin
  if exists (select from pg_roles where rolname = 'bodh_app') then
    grant select, insert on access_log to bodh_app;
  end if;
  if exists (select from pg_roles where rolname = 'bodh_jobs') then
    grant select, delete on access_log to bodh_jobs;
  end if;
end $$;
