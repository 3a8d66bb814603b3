-- Sign-in for real people: sessions on the server, blocked accounts, roles given by an operator.

alter table accounts
  alter column subject drop not null,    -- null: invited by e-mail, not signed in yet
  add column email text,                 -- verified by the identity provider, in lower case
  add column given_role text check (given_role in ('admin', 'teacher', 'learner')),
  add column claims_at timestamptz,      -- when the token was issued that set name and role
  add column blocked_at timestamptz,
  add check (subject is not null or email is not null);
comment on column accounts.given_role is 'set by an operator; wins over the role of the sign-in';
create index accounts_email on accounts (tenant_id, email);

create table auth_sessions (
  tenant_id uuid not null references tenants (id),
  id uuid not null default gen_random_uuid(),
  account_id uuid not null,
  key_hash bytea not null check (octet_length(key_hash) = 32),  -- of the key in the cookie
  created_at timestamptz not null,
  last_seen_at timestamptz not null,
  expires_at timestamptz not null,
  provider_sid text,                     -- id of the session at the identity provider
  id_token text,                         -- hint for signing out there
  primary key (tenant_id, id),
  unique (tenant_id, key_hash),
  foreign key (tenant_id, account_id) references accounts (tenant_id, id) on delete cascade
);
create index auth_sessions_account on auth_sessions (tenant_id, account_id);

alter table auth_sessions enable row level security;
alter table auth_sessions force row level security;
create policy tenant on auth_sessions using (tenant_id = (select current_tenant()))
  with check (tenant_id = (select current_tenant()));

do $$
begin
  if exists (select from pg_roles where rolname = 'bodh_app') then
    grant select, insert, update, delete on auth_sessions to bodh_app;
  end if;
  if exists (select from pg_roles where rolname = 'bodh_jobs') then
    grant select, delete on auth_sessions to bodh_jobs;
  end if;
end $$;
