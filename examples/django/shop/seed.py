"""Two organizations with one member each: ``python -m shop.seed``."""

from __future__ import annotations

import os

import django
from django.core.management import call_command


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
    django.setup()
    from .models import Member, Organization

    call_command("migrate", "--run-syncdb", verbosity=0)
    for key, name, token, user_id in (
        ("org_acme", "Acme Inc.", "ada", "u_ada"),
        ("org_globex", "Globex", "hedy", "u_hedy"),
    ):
        tenant = Organization.objects.create(id=key, name=name)
        Member.objects.create(token=token, user_id=user_id, organization=tenant)


if __name__ == "__main__":
    main()
