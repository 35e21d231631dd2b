"""The web application: which handler answers which address, and what stands around all of them."""

from aiohttp import web

from gateway.api.batches import Batches
from gateway.api.bodies.admission import Admission
from gateway.api.cors import CrossOrigin
from gateway.api.dead_letters import DeadLetters
from gateway.api.health import Health
from gateway.api.images import Images
from gateway.api.live.audience import Audience
from gateway.api.live.event_texts import EventTexts
from gateway.api.live.http.door import HttpDoor
from gateway.api.live.http.events import EventStreams
from gateway.api.live.http.results import Results
from gateway.api.live.http.submitted import Submitted
from gateway.api.live.http.waiting import Waiting
from gateway.api.live.http.wires import HttpWires
from gateway.api.live.websocket.door import WebSocketDoor
from gateway.api.live.websocket.job import JobSockets
from gateway.api.live.websocket.many import ManyJobsSockets
from gateway.api.live.websocket.server_messages import BoardMessages
from gateway.api.live.websocket.wires import WebSocketWire
from gateway.api.metrics import RequestMeter, metrics_routes
from gateway.api.pages import page_routes
from gateway.api.problems import answer_errors
from gateway.api.retries import Retries
from gateway.api.search import Search
from gateway.api.status_views import StatusViews
from gateway.context import CONTEXT, AppContext
from gateway.events.board.board import Board
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.settings import MetricsSettings


def build_application(context: AppContext) -> web.Application:
    """The door of an assembled gateway. Its runner must not unpack bodies (`auto_decompress=False`)."""
    intake = context.settings.intake
    cross_origin = CrossOrigin(context.settings.http.cors_origins)
    views = StatusViews(context.stream)
    context.hub.observe_deletions(views.forget)
    admission = Admission(intake, context.background, context.bytes_in_flight, context.metrics.intake)
    subscribers = context.settings.subscribers_beside_requests
    audience = Audience(subscribers, context.background.stopping, context.metrics.subscribers)
    texts = EventTexts(context.stream)
    over_websocket = WebSocketWire(texts, context.stream, subscribers.heartbeat_s)
    over_http = HttpWires.of(context.stream, texts, subscribers.heartbeat_s, context.clock.now)
    websocket_door = WebSocketDoor(context.metrics.subscribers, cross_origin)
    http_door = HttpDoor(context, audience)
    event_streams = EventStreams(context, audience, http_door, over_http.events)
    waiting = Waiting(context, audience)
    submitted = Submitted(audience, event_streams, waiting, views)
    health = _health(context)
    application = web.Application(middlewares=[RequestMeter(context.metrics.http).middleware, answer_errors])
    application[CONTEXT] = context
    application.on_response_prepare.append(cross_origin.add_headers)
    application.on_shutdown.append(audience.leave_all)
    application.add_routes(
        [
            *Batches(context, views, admission, submitted, waiting, cross_origin.allows_all).routes(),
            *Retries(context, admission, submitted).routes(),
            *Images(context, views).routes(),
            *Search(context).routes(),
            *DeadLetters(context).routes(),
            *JobSockets(context, audience, websocket_door, over_websocket).routes(),
            *ManyJobsSockets(context, audience, websocket_door, over_websocket, _board(context)).routes(),
            *event_streams.routes(),
            *Results(context, audience, http_door, over_http.results).routes(),
            *health.routes(),
            *_metrics(context.metrics, health, context.settings.metrics),
            *page_routes(intake),
        ]
    )
    return application


def build_worker_application(health: Health, metrics: Metrics, settings: MetricsSettings) -> web.Application:
    """The door of a worker: it is asked how it is, and nothing else."""
    application = web.Application(middlewares=[answer_errors])
    application.add_routes([*health.routes(), *_metrics(metrics, health, settings)])
    return application


def _board(context: AppContext) -> Board:
    """It counts the changes from now on, so that who comes back has something to go on from."""
    messages = BoardMessages(context.settings.subscribers.heartbeat_s)
    board = Board(context.latest, context.job_store, messages)
    context.hub.observe(board.observe)
    context.hub.observe_deletions(board.forget)
    return board


def _health(context: AppContext) -> Health:
    return Health(
        name="gateway",
        checks={
            "object_store": context.object_store.check,
            "broker": context.broker.check,
            "job_store": context.job_store.check,
        },
        warnings=context.warnings,
        background=context.background,
        clock=context.clock,
        metrics=context.metrics.health,
    )


def _metrics(metrics: Metrics, health: Health, settings: MetricsSettings) -> list[web.RouteDef]:
    return metrics_routes(metrics, health.look) if settings.prometheus else []
