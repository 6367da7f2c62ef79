from __future__ import annotations

from django.urls import path

from . import views

urlpatterns = [
    path("healthz", views.healthz),
    path("orders", views.create_order),
    path("orders/<int:number>/share", views.share_order),
    path("plan/<str:plan>", views.change_plan),
]
