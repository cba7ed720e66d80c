"""The database's own guards: pairs of statuses that the lifecycle table allows, and rows that never change.

The pairs are those of `communications.rules.lifecycle`; a test compares both. A change of the table needs a new
migration that replaces `crm_guard_status`.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION crm_guard_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status NOT IN ('cancelled', 'held', 'scheduled') THEN
            RAISE EXCEPTION 'a communication cannot begin as %', NEW.status USING ERRCODE = 'check_violation';
        END IF;
    ELSIF NEW.status IS DISTINCT FROM OLD.status AND (OLD.status, NEW.status) NOT IN (
            ('clicked', 'responded'),
            ('delivered', 'clicked'),
            ('delivered', 'opened'),
            ('delivered', 'responded'),
            ('failed', 'clicked'),
            ('failed', 'delivered'),
            ('failed', 'opened'),
            ('failed', 'responded'),
            ('failed', 'scheduled'),
            ('failed', 'sent'),
            ('held', 'cancelled'),
            ('held', 'merged'),
            ('held', 'scheduled'),
            ('in_doubt', 'cancelled'),
            ('in_doubt', 'clicked'),
            ('in_doubt', 'delivered'),
            ('in_doubt', 'failed'),
            ('in_doubt', 'opened'),
            ('in_doubt', 'responded'),
            ('in_doubt', 'scheduled'),
            ('in_doubt', 'sent'),
            ('merged', 'cancelled'),
            ('merged', 'held'),
            ('opened', 'clicked'),
            ('opened', 'responded'),
            ('responded', 'clicked'),
            ('responded', 'delivered'),
            ('responded', 'failed'),
            ('responded', 'in_doubt'),
            ('responded', 'opened'),
            ('responded', 'sent'),
            ('scheduled', 'cancelled'),
            ('scheduled', 'clicked'),
            ('scheduled', 'delivered'),
            ('scheduled', 'held'),
            ('scheduled', 'opened'),
            ('scheduled', 'responded'),
            ('scheduled', 'sending'),
            ('scheduled', 'sent'),
            ('sending', 'cancelled'),
            ('sending', 'clicked'),
            ('sending', 'delivered'),
            ('sending', 'failed'),
            ('sending', 'in_doubt'),
            ('sending', 'opened'),
            ('sending', 'responded'),
            ('sending', 'scheduled'),
            ('sending', 'sent'),
            ('sent', 'clicked'),
            ('sent', 'delivered'),
            ('sent', 'failed'),
            ('sent', 'opened'),
            ('sent', 'responded'),
            ('sent', 'scheduled')
        ) THEN
        RAISE EXCEPTION 'a communication cannot go from % to %', OLD.status, NEW.status
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER crm_communications_status_guard BEFORE INSERT OR UPDATE OF status ON crm_communications
    FOR EACH ROW EXECUTE FUNCTION crm_guard_status();
CREATE TRIGGER crm_delivery_events_append_only BEFORE UPDATE OR DELETE ON crm_delivery_events
    FOR EACH ROW EXECUTE FUNCTION crm_refuse_change();
CREATE TRIGGER crm_delivery_events_no_truncate BEFORE TRUNCATE ON crm_delivery_events
    FOR EACH STATEMENT EXECUTE FUNCTION crm_refuse_change();
CREATE TRIGGER crm_template_versions_immutable BEFORE UPDATE OR DELETE ON crm_communication_template_versions
    FOR EACH ROW EXECUTE FUNCTION crm_refuse_change();
CREATE TRIGGER crm_template_versions_no_truncate BEFORE TRUNCATE ON crm_communication_template_versions
    FOR EACH STATEMENT EXECUTE FUNCTION crm_refuse_change();
"""
BACKWARD = """
DROP TRIGGER crm_template_versions_no_truncate ON crm_communication_template_versions;
DROP TRIGGER crm_template_versions_immutable ON crm_communication_template_versions;
DROP TRIGGER crm_delivery_events_no_truncate ON crm_delivery_events;
DROP TRIGGER crm_delivery_events_append_only ON crm_delivery_events;
DROP TRIGGER crm_communications_status_guard ON crm_communications;
DROP FUNCTION crm_guard_status();
"""


class Migration(migrations.Migration):
    dependencies = [("communications", "0001_initial"), ("core", "0002_audit_log_append_only")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
