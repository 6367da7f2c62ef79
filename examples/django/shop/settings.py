"""The least that Django needs; telemetry is none of its business and stands in the environment."""

from __future__ import annotations

import os

SECRET_KEY = "example"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"
ASGI_APPLICATION = "shop.asgi.application"
INSTALLED_APPS = ["shop"]
MIDDLEWARE = [
    "shop.sign_in.SignInMiddleware",
    "shop.tenancy.TenantMiddleware",  # after whatever finds out who it is
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("SHOP_DATABASE", "shop.db"),
        "OPTIONS": {"timeout": 20},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
