from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("communications", "0002_guards")]

    operations = [
        migrations.AlterModelOptions(
            name="communication",
            options={"permissions": [("view_content", "Can read what messages say")]},
        ),
    ]
