-- The labels that the deployed release expects, as the repair of the incident leaves them.

DO $$
DECLARE
    old record;
BEGIN
    FOR old IN
        SELECT t.typname, e.enumlabel
        FROM pg_enum AS e JOIN pg_type AS t ON t.oid = e.enumtypid
        WHERE t.typname NOT IN ('eventcategory', 'googleservice')
    LOOP
        EXECUTE format('ALTER TYPE %I RENAME VALUE %L TO %L', old.typname, old.enumlabel,
                       upper(replace(old.enumlabel, 'pending_approval', 'pending')));
    END LOOP;
END
$$;

ALTER TYPE documentstatus ADD VALUE 'ARCHIVED';
