"""django-post_office with two processes. Arguments: the file with the template and the values, how many messages."""

import json
import logging
import sys
import time
from pathlib import Path

import django
from django.core.management import call_command


def main() -> None:
    django.setup()
    from post_office.mail import send_queued_mail_until_done
    from post_office.models import STATUS, Email, EmailTemplate

    logging.disable(logging.INFO)

    call_command("migrate", verbosity=0, interactive=False)
    given, messages = json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2])
    template = EmailTemplate.objects.create(
        name="welcome", subject=given["subject"], content=given["text"], html_content=given["html"]
    )
    Email.objects.bulk_create(
        Email(
            from_email="Planiva <hello@planiva.example>",
            to=[f"client{number}@clients.example"],
            template=template,
            context=given["values"] | {"plan_id": f"plan-{number}"},
            priority=2,
            status=STATUS.queued,
            backend_alias="default",
        )
        for number in range(messages)
    )
    print("ready", flush=True)
    sys.stdin.readline()
    begun = time.monotonic()
    send_queued_mail_until_done(lockfile=sys.argv[1] + ".lock", processes=2)
    sent = Email.objects.filter(status=STATUS.sent).count()
    print(json.dumps({"worked": sent, "seconds": time.monotonic() - begun}), flush=True)


if __name__ == "__main__":
    main()
