from http import HTTPStatus

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.base import ApiView
from core.api.fields import StrictChoiceField
from core.health import Health, HealthReport, HealthStatus, check_all


class ComponentSerializer(serializers.Serializer[Health]):
    status = StrictChoiceField(choices=HealthStatus)
    detail = serializers.CharField(help_text="One sentence; no addresses, no names.")


class HealthSerializer(serializers.Serializer[HealthReport]):
    status = StrictChoiceField(choices=HealthStatus)
    components = serializers.DictField(child=ComponentSerializer())


class LiveSerializer(serializers.Serializer[dict[str, str]]):
    status = StrictChoiceField(choices=HealthStatus)


# Open to load balancers: no caller, no throttle, nothing personal.
class PublicHealthView(ApiView):
    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_classes = []


class HealthView(PublicHealthView):
    @extend_schema(
        operation_id="get_health",
        summary="How every part is doing",
        description="200 while requests can be taken (healthy or degraded), 503 while the database is away.",
        tags=["Health"],
        responses={200: HealthSerializer, 503: HealthSerializer},
        examples=[
            OpenApiExample(
                "Healthy",
                {
                    "status": "healthy",
                    "components": {"database": {"status": "healthy", "detail": "Answers."}},
                },
                response_only=True,
                status_codes=["200"],
            )
        ],
    )
    def get(self, _request: Request) -> Response:
        report = check_all()
        return _answer(report, down=_is_down(report))


class ReadyView(PublicHealthView):
    @extend_schema(
        operation_id="get_health_ready",
        summary="Whether this process can take requests",
        description="200 also while the database is away and requests are spooled.",
        tags=["Health"],
        responses={200: HealthSerializer, 503: HealthSerializer},
    )
    def get(self, _request: Request) -> Response:
        report = check_all()
        return _answer(report, down=_is_down(report) and not _can_spool(report))


class LiveView(PublicHealthView):
    @extend_schema(
        operation_id="get_health_live",
        summary="Whether this process answers at all",
        description="Asks nothing of other parts: restarting this process would not bring those back.",
        tags=["Health"],
        responses=LiveSerializer,
    )
    def get(self, _request: Request) -> Response:
        return Response({"status": HealthStatus.HEALTHY.value})


def _is_down(report: HealthReport) -> bool:
    return report.status is HealthStatus.UNHEALTHY


def _can_spool(report: HealthReport) -> bool:
    """A load balancer must not take all processes away in an outage: they still accept requests."""
    return report.components["spool"].status in {HealthStatus.HEALTHY, HealthStatus.DEGRADED}


def _answer(report: HealthReport, *, down: bool) -> Response:
    components = {
        name: {"status": health.status.value, "detail": health.detail}
        for name, health in report.components.items()
    }
    return Response(
        {"status": report.status.value, "components": components},
        status=HTTPStatus.SERVICE_UNAVAILABLE if down else HTTPStatus.OK,
    )
