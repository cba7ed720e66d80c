import pytest
from cryptography.fernet import Fernet, MultiFernet
from django.core.exceptions import FieldError, ValidationError
from django.db import connection
from django.db.models import Case, Count, F, Q, Value, When
from django.db.models.functions import Upper
from encrypted_model_fields import fields as package

from core.crypto import seal_bytes
from core.errors import Unreadable
from core.fields import EncryptedCharField, SealedField
from core.tests.diary import diary_table

SEALED = seal_bytes(bytes(32), b"{}", associated_data=b"x")
ALL_FIELDS = ["author", "note", "page"]


@pytest.fixture
def diary(db):
    with diary_table() as model:
        yield model


def stored(diary, column: str) -> str:
    with connection.cursor() as sql:
        sql.execute(f"SELECT {column} FROM {diary._meta.db_table}")
        return sql.fetchone()[0]


def test_text_is_stored_encrypted_and_read_back(diary):
    diary.objects.create(author="Zoë", note="zoe@example.org")
    for column, plain in [("author", "Zoë"), ("note", "zoe@example.org")]:
        assert plain not in stored(diary, column)
    row = diary.objects.get()
    assert (row.author, row.note, row.page) == ("Zoë", "zoe@example.org", None)


def test_every_way_of_writing_encrypts(diary):
    diary.objects.bulk_create([diary(note="first")])
    row = diary.objects.get()
    row.note = "second"
    diary.objects.bulk_update([row], ["note"])
    row.page = SEALED
    diary.objects.bulk_update([row], ["page"])
    assert "second" not in stored(diary, "note")
    assert diary.objects.get().note == "second"
    diary.objects.update(note="third")
    assert "third" not in stored(diary, "note")
    assert diary.objects.values_list("note", flat=True).get() == "third"


def test_user_input_is_never_decrypted(diary):
    token = package.encrypt_str("somebody else's address").decode()
    row = diary(note=token)
    row.full_clean(exclude=["author", "page", "appendix"])
    row.save()
    assert row.note == token
    assert diary.objects.get().note == token


@pytest.mark.parametrize("broken", ["plain text", "", "gAAAAABnot-a-token"])
def test_a_value_that_does_not_decrypt_raises_and_is_not_shown(diary, broken):
    diary.objects.create(note="x")
    with connection.cursor() as sql:
        sql.execute(f"UPDATE {diary._meta.db_table} SET note = %s", [broken])
    with pytest.raises(Unreadable) as refusal:
        diary.objects.get()
    assert not broken or broken not in str(refusal.value)


def test_a_value_of_a_lost_key_raises(diary, monkeypatch):
    diary.objects.create(note="x")
    monkeypatch.setattr(package, "CRYPTER", MultiFernet([Fernet(Fernet.generate_key())]))
    with pytest.raises(Unreadable):
        diary.objects.get()


@pytest.mark.parametrize("value", [3, b"bytes", ["list"]])
def test_only_text_is_taken(diary, value):
    with pytest.raises(TypeError):
        diary.objects.create(note=value)


def test_an_expression_that_would_store_plain_text_is_refused(diary):
    with pytest.raises(TypeError):
        diary.objects.create(note=Upper(Value("x")))
    for expression in (Value("x"), Upper(Value("x")), F("author"), Case(default=Value("x"))):
        with pytest.raises(TypeError, match="expression"):
            diary.objects.update(note=expression)
    with pytest.raises(TypeError, match="expression"):
        diary.objects.update(page=Value(b"plain"))


def test_the_length_is_still_validated(diary):
    with pytest.raises(ValidationError) as refusal:
        diary(author="x" * 101, note="x").full_clean()
    assert "author" in refusal.value.message_dict
    assert "note" not in refusal.value.message_dict


@pytest.mark.parametrize("name", ALL_FIELDS)
@pytest.mark.parametrize(
    "lookup", ["exact", "iexact", "in", "contains", "startswith", "gt", "range", "regex", "length"]
)
def test_every_lookup_but_isnull_is_refused(diary, name, lookup):
    value = SEALED if name == "page" else "x"
    with pytest.raises(FieldError, match="blind index"):
        list(diary.objects.filter(**{f"{name}__{lookup}": [value] if lookup in {"in", "range"} else value}))


@pytest.mark.parametrize("name", ALL_FIELDS)
def test_ordering_is_refused(diary, name):
    for ordering in (name, f"-{name}", F(name).asc(), F(name).desc(nulls_last=True)):
        with pytest.raises(FieldError, match="order_by"):
            list(diary.objects.order_by(ordering))


def test_isnull_works_wherever_conditions_do(diary):
    diary.objects.create(note="x", page=SEALED)
    diary.objects.create()
    for name in ("note", "page"):
        missing = Q(**{f"{name}__isnull": True})
        assert diary.objects.filter(missing).count() == 1
        assert diary.objects.exclude(missing).count() == 1
        assert diary.objects.aggregate(n=Count("id", filter=missing))["n"] == 1
        marked = diary.objects.annotate(missing=Case(When(missing, then=Value(1)), default=Value(0)))
        assert sorted(marked.values_list("missing", flat=True)) == [0, 1]
        assert list(diary.objects.order_by("id").values_list(name, flat=True))[1] is None


@pytest.mark.parametrize("field", [EncryptedCharField, SealedField])
@pytest.mark.parametrize("option", ["unique", "db_index", "primary_key"])
def test_ciphertext_can_be_no_key(field, option):
    with pytest.raises(FieldError, match=option):
        field(**{option: True})


def test_a_sealed_field_takes_sealed_bytes_only(diary):
    diary.objects.create(page=SEALED)
    assert diary.objects.get().page == SEALED
    for wrong, error in [("text", TypeError), (memoryview(SEALED), TypeError), (b"", ValueError)]:
        with pytest.raises(error):
            diary.objects.create(page=wrong)
    for wrong in (b"plain bytes that are long enough to be sealed", SEALED[:20]):
        with pytest.raises(ValueError, match="not sealed"):
            diary.objects.update(page=wrong)
