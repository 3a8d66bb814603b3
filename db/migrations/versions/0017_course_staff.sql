-- Teachers and mentors of a course. While it has none, all teachers of its tenant teach it.

create table course_staff (
  tenant_id uuid not null references tenants (id),
  id uuid not null default gen_random_uuid(),
  course_id uuid not null,
  account_id uuid,                       -- null: the account was deleted; the course keeps having staff
  role text not null check (role in ('teacher', 'mentor')),
  added_at timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, course_id, account_id),
  foreign key (tenant_id, course_id) references courses (tenant_id, id) on delete cascade,
  foreign key (tenant_id, account_id) references accounts (tenant_id, id)
    on delete set null (account_id)
);
create index course_staff_account on course_staff (tenant_id, account_id);

alter table course_staff enable row level security;
alter table course_staff force row level security;
create policy tenant on course_staff using (tenant_id = (select current_tenant()))
  with check (tenant_id = (select current_tenant()));

do $$
begin
  if exists (select from pg_roles where rolname = 'bodh_app') then
    grant select, insert, update, delete on course_staff to bodh_app;
  end if;
end $$;
