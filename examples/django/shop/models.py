"""Who belongs to which organization."""

from __future__ import annotations

from django.db import models


class Organization(models.Model):
    id = models.CharField(primary_key=True, max_length=40)
    name = models.CharField(max_length=100)
    plan = models.CharField(max_length=20, default="free")


class Member(models.Model):
    token = models.CharField(primary_key=True, max_length=40)
    user_id = models.CharField(max_length=40)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE)
