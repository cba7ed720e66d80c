"""The one view of the bare site. Its tables are made by `workloads.accept`."""

import json
from typing import Any

from django.db import connection, transaction
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class Body(serializers.Serializer[Any]):
    plan_id = serializers.CharField(max_length=64)
    client_id = serializers.CharField(max_length=64)
    message_type = serializers.CharField(max_length=32)
    urgency = serializers.CharField(max_length=16)
    context = serializers.JSONField()  # type: ignore[assignment]  # the base class has a property of this name


class Submit(APIView):
    def post(self, request: Request) -> Response:
        body = Body(data=request.data)
        body.is_valid(raise_exception=True)
        return Response({"id": _store(body.validated_data), "status": "scheduled"}, status=202)


def _store(values: dict[str, Any]) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO bare_requests (plan, client, context) VALUES (%s, %s, %s) RETURNING id",
            [values["plan_id"], values["client_id"], json.dumps(values["context"])],
        )
        ((request,),) = cursor.fetchall()
        cursor.execute("INSERT INTO bare_messages (request, status) VALUES (%s, 'scheduled')", [request])
    return int(request)


urlpatterns = [path("submit", Submit.as_view())]
