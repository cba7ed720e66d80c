from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("clients", "0002_name_search")]

    operations = [
        migrations.AlterModelOptions(
            name="contactpoint",
            options={
                "permissions": [
                    ("reveal_contact", "Can reveal addresses and numbers"),
                    ("reveal_contact_with_reason", "Can reveal addresses and numbers, giving a reason"),
                ]
            },
        ),
        migrations.AddIndex(
            model_name="client",
            index=models.Index(fields=["-created_at", "-id"], name="client_created_idx"),
        ),
        migrations.AddIndex(
            model_name="client",
            index=models.Index(fields=["name", "id"], name="client_name_idx"),
        ),
    ]
