"""The queue in a table of its own: what waits moves over, triggers keep it, and the wide table loses what held it.

Stop the workers before it, as before every release; requests wait for the seconds that it takes. It locks
`crm_communications` against writing, reads by the old queue's indexes only what waits (about ten seconds for a
million), and rewrites nothing.

What a worker had claimed and not called is due again. What it had called keeps its lease: it is known from its journal
or in doubt, as after every loss of a worker.
"""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

LOCK = "LOCK TABLE crm_communications IN SHARE ROW EXCLUSIVE MODE"

# A claim changes a row within its page, so half of each page is kept free for that. Vacuum by the number of dead rows,
# not by the table's size, so that whoever claims never walks over many of them.
STORAGE = """
ALTER TABLE crm_queue SET (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000
)
"""

FILL = """
WITH freed AS (
    UPDATE crm_communications SET status = 'scheduled', lease_token = NULL, lease_expires_at = NULL
     WHERE status = 'sending' AND call_started_at IS NULL
    RETURNING id
)
INSERT INTO crm_delivery_events (communication_id, from_status, to_status, cause, actor, reason, code,
                                 occurred_at, recorded_at)
SELECT id, 'sending', 'scheduled', 'lease_lapsed_uncalled', 'system:migration', '', '', now(), now() FROM freed;

INSERT INTO crm_queue (communication_id, client_id, priority, due_at, waits_for, lapses)
SELECT id, client_id, priority, due_at, waits_for, lapsed_leases FROM crm_communications
 WHERE status = 'scheduled' AND waits_for = '';
INSERT INTO crm_queue (communication_id, client_id, priority, due_at, waits_for, lapses)
SELECT id, client_id, priority, due_at, waits_for, lapsed_leases FROM crm_communications
 WHERE status = 'scheduled' AND waits_for <> '';
INSERT INTO crm_queue (communication_id, client_id, priority, due_at, waits_for, lapses, lease_token)
SELECT id, client_id, priority, coalesce(due_at, created_at), '', lapsed_leases, lease_token
  FROM crm_communications WHERE status = 'sending';
INSERT INTO crm_queue_leases (token, expires_at, worker, communication_ids)
SELECT lease_token, max(lease_expires_at), 'system:migration', array_agg(id)
  FROM crm_communications WHERE status = 'sending' GROUP BY lease_token;
"""
FILL_BACK = """
UPDATE crm_communications c
   SET lapsed_leases = q.lapses, lease_token = q.lease_token, lease_expires_at = coalesce(l.expires_at, now())
  FROM crm_queue q LEFT JOIN crm_queue_leases l ON l.token = q.lease_token
 WHERE q.communication_id = c.id AND (c.status = 'sending' OR q.lapses > 0);
"""

TRIGGERS = """
CREATE FUNCTION crm_queue_admit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO crm_queue (communication_id, client_id, priority, due_at, waits_for, lapses)
    SELECT id, client_id, priority, due_at, waits_for, 0 FROM fresh WHERE status = 'scheduled';
    RETURN NULL;
END
$$;
CREATE TRIGGER crm_communications_queue_admit AFTER INSERT ON crm_communications REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION crm_queue_admit();

CREATE FUNCTION crm_queue_follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM crm_queue WHERE communication_id = OLD.id;
    ELSIF NEW.status = 'scheduled' THEN
        -- Whoever writes its status or its time takes it from the worker that had claimed it.
        INSERT INTO crm_queue (communication_id, client_id, priority, due_at, waits_for, lapses)
        VALUES (NEW.id, NEW.client_id, NEW.priority, NEW.due_at, NEW.waits_for, 0)
        ON CONFLICT (communication_id) DO UPDATE
        SET priority = excluded.priority, due_at = excluded.due_at, waits_for = excluded.waits_for,
            lease_token = NULL;
    ELSIF NEW.status = 'sending' THEN
        PERFORM FROM crm_queue WHERE communication_id = NEW.id AND lease_token IS NOT NULL;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'a communication cannot be sending without a lease' USING ERRCODE = 'check_violation';
        END IF;
    ELSE
        DELETE FROM crm_queue WHERE communication_id = OLD.id;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER crm_communications_queue_follow
    AFTER UPDATE OF status, due_at, waits_for, priority ON crm_communications FOR EACH ROW
    WHEN (OLD.status IN ('scheduled', 'sending') OR NEW.status IN ('scheduled', 'sending'))
    EXECUTE FUNCTION crm_queue_follow();
CREATE TRIGGER crm_communications_queue_leave AFTER DELETE ON crm_communications FOR EACH ROW
    WHEN (OLD.status IN ('scheduled', 'sending')) EXECUTE FUNCTION crm_queue_follow();

CREATE FUNCTION crm_queue_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'crm_queue follows crm_communications: % by itself is refused', TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER crm_queue_only_follows
    BEFORE INSERT OR DELETE OR UPDATE OF communication_id, client_id, priority, due_at, waits_for ON crm_queue
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION crm_queue_refuse();
"""
NO_TRIGGERS = """
DROP TRIGGER crm_queue_only_follows ON crm_queue;
DROP FUNCTION crm_queue_refuse();
DROP TRIGGER crm_communications_queue_leave ON crm_communications;
DROP TRIGGER crm_communications_queue_follow ON crm_communications;
DROP FUNCTION crm_queue_follow();
DROP TRIGGER crm_communications_queue_admit ON crm_communications;
DROP FUNCTION crm_queue_admit();
"""

GUARD = """
CREATE OR REPLACE FUNCTION crm_guard_status() RETURNS trigger LANGUAGE plpgsql AS $$
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
            {more}('scheduled', 'held'),
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
"""


def _guard(more: str) -> str:
    return GUARD.replace("{more}", more)


class Migration(migrations.Migration):
    dependencies = [("communications", "0008_digests"), ("clients", "0003_lists_and_reveal")]

    operations = [
        migrations.RunSQL(LOCK, migrations.RunSQL.noop),
        migrations.CreateModel(
            name="QueueEntry",
            fields=[
                (
                    "communication",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="queue_entry",
                        serialize=False,
                        to="communications.communication",
                    ),
                ),
                (
                    "client",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="clients.client",
                    ),
                ),
                ("priority", models.PositiveSmallIntegerField()),
                ("due_at", models.DateTimeField(help_text="On the product's clock.")),
                ("waits_for", models.CharField(blank=True, default="", max_length=64)),
                (
                    "lapses",
                    models.PositiveSmallIntegerField(
                        default=0, help_text="How often its worker was lost before a call had begun."
                    ),
                ),
                ("lease_token", models.UUIDField(blank=True, null=True)),
            ],
            options={"db_table": "crm_queue", "verbose_name_plural": "queue entries"},
        ),
        migrations.CreateModel(
            name="QueueLease",
            fields=[
                ("token", models.UUIDField(primary_key=True, serialize=False)),
                ("expires_at", models.DateTimeField(help_text="Real time, on the database's clock.")),
                ("worker", models.CharField(max_length=128)),
                (
                    "communication_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(),
                        help_text="What was claimed; some of it may be done.",
                        size=None,
                    ),
                ),
            ],
            options={"db_table": "crm_queue_leases"},
        ),
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="queueentry",
            index=models.Index(
                condition=models.Q(waits_for=""),
                fields=["priority", "due_at"],
                name="queue_due_idx",
            ),
        ),
        migrations.AddIndex(
            model_name="queueentry",
            index=models.Index(
                condition=models.Q(lapses__gte=3, waits_for=""),
                fields=["priority", "due_at"],
                name="queue_suspicious_idx",
            ),
        ),
        migrations.AddIndex(
            model_name="queueentry",
            index=models.Index(
                condition=~models.Q(waits_for=""),
                fields=["waits_for", "priority", "due_at"],
                name="queue_waiting_idx",
            ),
        ),
        migrations.RemoveConstraint(
            model_name="communication", name="communication_sending_has_lease"
        ),
        migrations.RunSQL(migrations.RunSQL.noop, FILL_BACK),
        migrations.RemoveIndex(model_name="communication", name="communication_due_idx"),
        migrations.RemoveIndex(model_name="communication", name="communication_suspicious_idx"),
        migrations.RemoveIndex(model_name="communication", name="communication_waiting_idx"),
        migrations.RemoveIndex(model_name="communication", name="communication_lease_idx"),
        migrations.RemoveField(model_name="communication", name="lapsed_leases"),
        migrations.RemoveField(model_name="communication", name="lease_expires_at"),
        migrations.RemoveField(model_name="communication", name="lease_token"),
        migrations.RunSQL(TRIGGERS, NO_TRIGGERS),
        migrations.RunSQL(
            _guard("('scheduled', 'failed'),\n            "),
            _guard(""),
        ),
    ]
