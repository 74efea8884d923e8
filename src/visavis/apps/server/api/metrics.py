"""Figures for Prometheus."""

from __future__ import annotations

import ipaddress

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from visavis.apps.server.auth import require_admin
from visavis.apps.server.house import HouseOf

ACCESS = "open"

router = APIRouter(tags=["health"])

_OF_PROXIES = {"forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
               "x-real-ip"}  # fmt: skip
"""Headers that proxies add; any one shows that somebody else may be behind a loopback address."""


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}},
)
async def show_metrics(request: Request, house: HouseOf) -> Response:
    """Show counts, gauges and histograms; to this machine, or with the operator's token."""
    if not _is_local(request):
        await require_admin(request)
    await house.read_gauges()
    return Response(house.metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _is_local(request: Request) -> bool:
    """Whether the caller is on this machine: what a proxy passes on is not."""
    if request.client is None or not _OF_PROXIES.isdisjoint(request.headers.keys()):
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
