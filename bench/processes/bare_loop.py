"""The least that sending costs: fill a template, make a MIME message, hand it to an open connection.

Arguments: the file with the template and the values, how many messages, the sink's port. No database.
"""

import json
import smtplib
import sys
import time
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template import Context, Engine


def main() -> None:
    given = json.loads(Path(sys.argv[1]).read_text())
    messages, port = int(sys.argv[2]), int(sys.argv[3])
    settings.configure(USE_I18N=False)
    template = Engine().from_string(given["html"])
    print("ready", flush=True)
    sys.stdin.readline()
    begun = time.monotonic()
    with smtplib.SMTP("127.0.0.1", port) as server:
        for number in range(messages):
            values = given["values"] | {"plan_id": f"plan-{number}"}
            recipient = f"client{number}@clients.example"
            mail = EmailMultiAlternatives(
                given["subject"], given["text"], "Planiva <hello@planiva.example>", [recipient]
            )
            mail.attach_alternative(template.render(Context(values)), "text/html")
            message = mail.message().as_bytes(linesep="\r\n")  # type: ignore[call-arg]  # Django's own
            server.sendmail("hello@planiva.example", [recipient], message)
    print(json.dumps({"worked": messages, "seconds": time.monotonic() - begun}), flush=True)


if __name__ == "__main__":
    main()
