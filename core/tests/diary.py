"""A table with every kind of field for personal data, made for one test and gone with its transaction."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, models
from django.test.utils import isolate_apps

from core.fields import EncryptedCharField, SealedField


@contextmanager
def diary_table() -> Iterator[type[models.Model]]:
    with isolate_apps("core"):

        class Diary(models.Model):
            author = EncryptedCharField(max_length=100, null=True)
            note = EncryptedCharField(max_length=500, null=True)
            page = SealedField(null=True)
            appendix = SealedField(null=True)

            class Meta:
                app_label = "core"

        with connection.schema_editor() as editor:
            editor.create_model(Diary)
        yield Diary
