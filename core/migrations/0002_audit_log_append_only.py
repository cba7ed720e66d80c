"""The audit log is append-only: the database itself refuses to change, delete or truncate its rows."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION crm_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER crm_audit_log_append_only BEFORE UPDATE OR DELETE ON crm_audit_log
    FOR EACH ROW EXECUTE FUNCTION crm_refuse_change();
CREATE TRIGGER crm_audit_log_no_truncate BEFORE TRUNCATE ON crm_audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION crm_refuse_change();
"""
BACKWARD = """
DROP TRIGGER crm_audit_log_no_truncate ON crm_audit_log;
DROP TRIGGER crm_audit_log_append_only ON crm_audit_log;
DROP FUNCTION crm_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
