-- Undoes create.sql for the link that `dblink_links.wish` names, if its server is there.
DO $link$
DECLARE
  wish json := current_setting('dblink_links.wish')::json;
  server record;
  mapping record;
BEGIN
  PERFORM pg_advisory_xact_lock((wish->>'wrapper_lock')::bigint);
  FOR server IN
    SELECT s.oid, s.srvname FROM pg_foreign_server AS s
    WHERE s.srvname = wish->>'server'
      AND obj_description(s.oid, 'pg_foreign_server') = wish->>'mark'
  LOOP
    -- Also those that somebody has added: none of them means anything without the server.
    FOR mapping IN SELECT usename, umuser FROM pg_user_mappings WHERE srvid = server.oid LOOP
      EXECUTE format('DROP USER MAPPING FOR %s SERVER %I',
        CASE mapping.umuser WHEN 0 THEN 'PUBLIC' ELSE quote_ident(mapping.usename) END,
        server.srvname);
    END LOOP;
    EXECUTE format('DROP SERVER %I', server.srvname);
    IF EXISTS (
      SELECT FROM pg_foreign_data_wrapper AS w
      WHERE w.fdwname = 'dblink_fdw' AND pg_has_role(w.fdwowner, 'USAGE')
        AND obj_description(w.oid, 'pg_foreign_data_wrapper') = wish->>'wrapper_mark'
        AND NOT EXISTS (SELECT FROM pg_foreign_server AS s WHERE s.srvfdw = w.oid)
    ) THEN
      DROP FOREIGN DATA WRAPPER dblink_fdw;
    END IF;
  END LOOP;
END $link$;
