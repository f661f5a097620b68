"""The gate of a served model, which counts its requests for Prometheus and names the model in every answer."""

import time
from collections.abc import Mapping
from urllib.parse import quote

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from bmn.tracking.connections import Message, Receive, Scope, Send
from bmn.tracking.gate import Endpoint, Gate

METRICS = "/metrics"
HEADER = b"bmn-model"
PATHS = ("/invocations", "/videos", "/ping", "/health", "/version", METRICS)
OTHER = "other"  # whatever else clients ask for; a series for each path would let them fill the memory
METHODS = ("GET", "HEAD", "POST")


class MeteredGate(Gate):
    """A gate with ``/metrics``; each answer has the header ``BMN-Model``.

    Series: ``bmn_requests_total`` by path, method and status (errors are those from 400 on; 499 means that the client
    left unanswered), ``bmn_request_seconds`` by path, from a request's headers to the start of its answer,
    ``bmn_requests_at_work``, ``bmn_model_info`` with the model, and the usual ones of the process.

    Args:
        model: what is served, such as ``bmn/3``.
        endpoint, others: see :class:`bmn.tracking.gate.Gate`.
    """

    def __init__(self, model: str, endpoint: Endpoint, others: Mapping[str, Endpoint]) -> None:
        super().__init__(endpoint, others)
        self._header = (HEADER, quote(model, safe="/:@").encode())
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "bmn_requests", "Requests, by status.", ("path", "method", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "bmn_request_seconds", "Seconds from the headers to the start of the answer.", ("path",),
            registry=self._registry,
        )  # fmt: skip
        Gauge("bmn_requests_at_work", "Complete requests that are not answered yet.", registry=self._registry
              ).set_function(lambda: self.at_work)  # fmt: skip
        Gauge("bmn_model_info", "The model that is served.", ("model",), registry=self._registry).labels(model).set(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request and count it."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in PATHS else OTHER
        method = scope["method"] if scope["method"] in METHODS else OTHER
        begun, status = time.perf_counter(), 499

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), self._header]}
                self._seconds.labels(path).observe(time.perf_counter() - begun)
            await send(message)

        try:
            if scope["path"] == METRICS and scope["method"] == "GET":
                await Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)(scope, receive, named)
            else:
                await super().__call__(scope, receive, named)
        finally:
            self._requests.labels(path, method, str(status)).inc()
