-- The statements of the manual's pages on dblink (F.12), as a user types them. Names in angle brackets stand for
-- connection strings of the remote database. Each paragraph is compared by itself; `-- fails` in its first line
-- marks one that is refused with an error, on C dblink as everywhere.

-- dblink_connect
SELECT dblink_connect('<remote> options=-csearch_path=');

SELECT dblink_connect('myconn', '<remote> options=-csearch_path=');

SELECT dblink_disconnect();

SELECT dblink_disconnect('myconn');

-- FOREIGN DATA WRAPPER functionality
CREATE SERVER fdtest FOREIGN DATA WRAPPER dblink_fdw OPTIONS (hostaddr '127.0.0.1', port '<port>', dbname 'remote');

CREATE USER regress_dblink_user WITH PASSWORD 'secret';
CREATE USER MAPPING FOR regress_dblink_user SERVER fdtest OPTIONS (user 'scram_user', password 'secret');
GRANT USAGE ON FOREIGN SERVER fdtest TO regress_dblink_user;
GRANT SELECT ON TABLE foo TO regress_dblink_user;

\set ORIGINAL_USER :USER
\c - regress_dblink_user

SELECT dblink_connect('myconn', 'fdtest');

SELECT * FROM dblink('myconn', 'SELECT * FROM foo') AS t(a int, b text, c text[]);

\c - :ORIGINAL_USER

REVOKE USAGE ON FOREIGN SERVER fdtest FROM regress_dblink_user;
REVOKE SELECT ON TABLE foo FROM regress_dblink_user;
DROP USER MAPPING FOR regress_dblink_user SERVER fdtest;
DROP USER regress_dblink_user;
DROP SERVER fdtest;

-- fails: options that the wrapper does not know
CREATE SERVER fdtest FOREIGN DATA WRAPPER dblink_fdw OPTIONS (server 'localhost');

-- fails
CREATE SERVER fdtest FOREIGN DATA WRAPPER dblink_fdw OPTIONS (hots 'localhost');

-- fails
CREATE SERVER fdtest FOREIGN DATA WRAPPER dblink_fdw OPTIONS (user 'postgres');

CREATE SERVER fdtest FOREIGN DATA WRAPPER dblink_fdw OPTIONS (dbname 'remote', port '<port>', host '127.0.0.1');

-- fails
CREATE USER MAPPING FOR CURRENT_USER SERVER fdtest OPTIONS (server 'localhost');

-- fails
CREATE USER MAPPING FOR CURRENT_USER SERVER fdtest OPTIONS (usr 'postgres');

-- fails
ALTER FOREIGN DATA WRAPPER dblink_fdw OPTIONS (nonexistent 'fdw');

-- fails
CREATE FOREIGN TABLE remote_foo (f1 int) SERVER fdtest; SELECT * FROM remote_foo;

DROP SERVER fdtest CASCADE;

-- dblink_connect_u
SELECT dblink_connect_u('<remote>');

SELECT dblink_connect_u('myconn', '<remote>');

SELECT dblink_disconnect(), dblink_disconnect('myconn');

-- fails
SELECT dblink_disconnect();

-- fails
SELECT dblink_disconnect('myconn');

-- dblink
SELECT *
    FROM dblink('<remote> options=-csearch_path=',
                'select proname, prosrc from pg_proc')
      AS t1(proname name, prosrc text)
    WHERE proname LIKE 'bytea%';

CREATE VIEW myremote_pg_proc AS
  SELECT *
    FROM dblink('<remote> options=-csearch_path=',
                'select proname, prosrc from pg_proc')
    AS t1(proname name, prosrc text);

SELECT * FROM myremote_pg_proc WHERE proname LIKE 'bytea%';

SELECT * FROM dblink('<remote> options=-csearch_path=',
                     'select proname, prosrc from pg_proc')
  AS t1(proname name, prosrc text) WHERE proname LIKE 'bytea%';

-- fails: there is no unnamed connection yet
SELECT * FROM dblink('select proname, prosrc from pg_proc')
  AS t1(proname name, prosrc text) WHERE proname LIKE 'bytea%';

SELECT dblink_connect('<remote> options=-csearch_path=');

SELECT * FROM dblink('select proname, prosrc from pg_proc')
  AS t1(proname name, prosrc text) WHERE proname LIKE 'bytea%';

SELECT dblink_connect('myconn', '<remote> options=-csearch_path=');

SELECT * FROM dblink('myconn', 'select proname, prosrc from pg_proc')
  AS t1(proname name, prosrc text) WHERE proname LIKE 'bytea%';

-- fails: the search path of the connection is empty
SELECT * FROM dblink('myconn', 'select * from foo') AS t(f1 int, f2 text, f3 text[]);

SELECT * FROM dblink('myconn', 'select * from foo', false) AS t(f1 int, f2 text, f3 text[]);

SELECT * FROM dblink('myconn', 'select * from public.foo where f1 < 3', true) AS t(f1 int, f2 text, f3 text[]);

-- fails
SELECT * FROM dblink('myconn', 'select 1');

-- fails
SELECT * FROM dblink('myconn', 'select 1, 2') AS t(a int);

SELECT dblink_disconnect('myconn');

-- dblink_exec
SELECT dblink_connect('<remote>');

SELECT dblink_exec('insert into foo values(21, ''z'', ''{"a0","b0","c0"}'');');

SELECT dblink_connect('myconn', '<remote>');

SELECT dblink_exec('myconn', 'insert into foo values(22, ''z'', ''{"a0","b0","c0"}'');');

SELECT dblink_exec('myconn', 'insert into pg_class values (''foo'')',false);

-- fails
SELECT dblink_exec('myconn', 'insert into pg_class values (''foo'')');

SELECT dblink_exec('<remote>', 'insert into foo values(23, ''z'')');

SELECT dblink_exec('UPDATE foo SET f3[2]=''b99'' WHERE f1=9');

SELECT * FROM dblink('SELECT * FROM foo WHERE f1 = 9') AS t(a int, b text, c text[]);

SELECT dblink_exec('myconn', 'DELETE FROM foo WHERE f1=9');

-- fails
SELECT dblink_exec('select 1');

-- dblink_open, dblink_fetch, dblink_close
SELECT dblink_open('foo', 'select proname, prosrc from pg_proc where proname like ''bytea%'' order by 1');

SELECT * FROM dblink_fetch('foo', 5) AS (funcname name, source text);

SELECT * FROM dblink_fetch('foo', 5) AS (funcname name, source text);

SELECT * FROM dblink_fetch('foo', 5, true) AS (funcname name, source text);

SELECT * FROM dblink_fetch('foo', 5) AS (funcname name, source text);

SELECT * FROM dblink_fetch('foo', 5) AS (funcname name, source text);

SELECT * FROM dblink_fetch('foo', 5) AS (funcname name, source text);

-- fails: too few columns
SELECT * FROM dblink_fetch('foo', 5) AS (funcname name);

SELECT dblink_close('foo');

SELECT dblink_open('myconn', 'rmt_foo_cursor', 'SELECT * FROM foo');

SELECT * FROM dblink_fetch('myconn', 'rmt_foo_cursor', 4) AS t(a int, b text, c text[]);

SELECT dblink_close('myconn', 'rmt_foo_cursor');

SELECT dblink_open('myconn', 'rmt_foo_cursor', 'SELECT * FROM foobar', false);

SELECT dblink_exec('myconn', 'ABORT');

-- fails
SELECT dblink_open('myconn', 'rmt_foo_cursor', 'SELECT * FROM foobar');

SELECT dblink_exec('myconn', 'ABORT');

SELECT * FROM dblink_fetch('myconn', 'rmt_foobar_cursor', 4, false) AS t(a int, b text, c text[]);

-- fails
SELECT * FROM dblink_fetch('myconn', 'rmt_foobar_cursor', 4) AS t(a int, b text, c text[]);

SELECT dblink_close('myconn', 'rmt_foobar_cursor', false);

-- fails
SELECT dblink_close('myconn', 'rmt_foobar_cursor');

-- dblink_get_connections, dblink_error_message
SELECT dblink_get_connections();

SELECT dblink_error_message('myconn');

SELECT dblink_exec('myconn', 'SELECT 1/0', false); SELECT dblink_error_message('myconn');

SELECT dblink_disconnect('myconn'); SELECT dblink_get_connections();

-- dblink_send_query, dblink_is_busy, dblink_get_result
SELECT dblink_connect('dtest1', '<remote>');

SELECT dblink_send_query('dtest1', 'SELECT * FROM foo WHERE f1 < 3');

SELECT * FROM dblink_get_result('dtest1') AS t1(f1 int, f2 text, f3 text[]);

SELECT * FROM dblink_get_result('dtest1') AS t1(f1 int, f2 text, f3 text[]);

SELECT * FROM
 dblink_send_query('dtest1', 'select * from foo where f1 < 3; select * from foo where f1 > 6 order by f1') AS t1;

SELECT * FROM dblink_get_result('dtest1') AS t1(f1 int, f2 text, f3 text[]);

SELECT * FROM dblink_get_result('dtest1') AS t1(f1 int, f2 text, f3 text[]);

SELECT * FROM dblink_get_result('dtest1') AS t1(f1 int, f2 text, f3 text[]);

SELECT dblink_is_busy('dtest1');

-- dblink_cancel_query
SELECT dblink_cancel_query('dtest1');

SELECT dblink_error_message('dtest1');

SELECT dblink_connect('dtest2', '<remote>'); SELECT dblink_connect('dtest3', '<remote>');

SELECT * FROM dblink_send_query('dtest1', 'select * from foo where f1 < 3') AS t1;
SELECT * FROM dblink_send_query('dtest2', 'select * from foo where f1 > 2 and f1 < 7') AS t1;
SELECT * FROM dblink_send_query('dtest3', 'select * from foo where f1 > 6 and f1 < 10') AS t1;

CREATE TEMPORARY TABLE result AS
(SELECT * FROM dblink_get_result('dtest1') AS t1(f1 int, f2 text, f3 text[]))
UNION
(SELECT * FROM dblink_get_result('dtest2') AS t2(f1 int, f2 text, f3 text[]))
UNION
(SELECT * FROM dblink_get_result('dtest3') AS t3(f1 int, f2 text, f3 text[]))
ORDER BY f1;

SELECT * FROM result;

SELECT dblink_disconnect('dtest1'); SELECT dblink_disconnect('dtest2'); SELECT dblink_disconnect('dtest3');

-- dblink_get_notify
SELECT dblink_exec('LISTEN virtual');

SELECT * FROM dblink_get_notify();

NOTIFY virtual;

SELECT dblink_exec('NOTIFY virtual');

SELECT notify_name, be_pid > 0 AS be_pid, extra FROM dblink_get_notify();

SELECT * FROM dblink_get_notify();

-- dblink_get_pkey
CREATE TABLE foobar (
    f1 int,
    f2 int,
    f3 int,
    PRIMARY KEY (f1, f2, f3)
);

SELECT * FROM dblink_get_pkey('foobar');

-- dblink_build_sql_insert, dblink_build_sql_delete, dblink_build_sql_update
SELECT dblink_build_sql_insert('foo', '1 2', 2, '{"1", "b"}', '{"1", "b''a"}');

CREATE TABLE "MyFoo" (f1 int, f2 text, PRIMARY KEY (f1, f2));

SELECT dblink_build_sql_delete('"MyFoo"', '1 2', 2, '{"1", "b"}');

SELECT dblink_build_sql_update('foo', '1 2', 2, '{"1", "b"}', '{"1", "b"}');

-- fails
SELECT dblink_build_sql_update('foo', '1 2 3 4', 4, '{"1", "b"}', '{"1", "b"}');

-- What psql tells of the functions and their results
SELECT * FROM dblink('select f1, f2, f3, now(), 1.5 from foo') AS t(a int, b varchar(7), c text[], d timestamptz(0), e numeric(5,2)) \gdesc

SELECT * FROM dblink_get_notify() \gdesc

SELECT * FROM dblink_get_pkey('foobar') \gdesc

SELECT dblink_get_connections(), dblink_exec('select'), dblink_is_busy('x'), dblink_error_message('x') \gdesc

\dT dblink_pkey_results

SELECT count(*) FROM dblink_current_query() AS q(text) WHERE q.text LIKE '%dblink_current_query%';

-- The dates of the remote server are read in its own style
SET timezone = UTC;

SELECT dblink_connect('myconn', '<remote>'); SELECT dblink_exec('myconn', 'SET datestyle = GERMAN, DMY;');

SELECT * FROM dblink('myconn', 'SELECT timestamptz ''12.03.2013 00:00:00+00''') AS t(a timestamptz);

SELECT dblink_exec('myconn', 'SET intervalstyle = sql_standard');

SELECT * FROM dblink('myconn', 'SELECT interval ''-1 2:03:04''') AS t(a interval);

SHOW datestyle; SHOW intervalstyle;
