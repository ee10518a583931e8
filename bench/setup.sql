-- The tables of the workloads, as psql would run it with `-v fixed_rows=1000000 …`: a colon and a
-- name stand for a size.
create table fixed1m as
  select g::int4 a, (g::int8 * 1000003) b, (g * 0.37)::float8 c, (g % 3 = 0) d,
    timestamp '2020-01-01' + g * interval '1.234567 s' e
  from generate_series(1, :fixed_rows) g;
create table mixed500k as
  select g::int4 a, 'text value no ' || lpad(g::text, 6, '0') b,
    case when g % 10 = 0 then null else 't' || lpad((g % 10000000)::text, 7, '0') end c,
    (g * 1.01)::numeric(12,2) d, timestamptz '2020-01-01 00:00Z' + g * interval '61.5 s' e,
    date '2000-01-01' + (g % 9000) f
  from generate_series(1, :mixed_rows) g;
create table text500k as
  select 'name-' || g a, md5(g::text) b, 'street ' || (g * 7) || ' city' c
  from generate_series(1, :text_rows) g;
create table wide (t text, b bytea);
insert into wide
  select repeat('abcdefgh', :wide_bytes / 8), decode(repeat('00ff41c3', :wide_bytes / 4), 'hex');
create table fixed1m_copy (like fixed1m);
alter table fixed1m_copy set (autovacuum_enabled = false);
create table ins (a int, b text, c float8);
create table pgbench_branches as select 1 as bid, 0 as bbalance;
create table pgbench_accounts as
  select g as aid, 1 as bid, 0 as abalance, repeat(' ', 84)::char(84) as filler
  from generate_series(1, :accounts) g;
alter table pgbench_accounts add primary key (aid);
vacuum analyze;
checkpoint;
