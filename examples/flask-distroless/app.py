"""Shows the time of a city, as a page and as JSON."""

import os
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import Flask, Response, jsonify, render_template, request


def time_in(zone: str) -> datetime:
    """The time in a zone of the IANA database; raises ZoneInfoNotFoundError for an unknown one."""
    return datetime.now(UTC).astimezone(ZoneInfo(zone))


def create_app() -> Flask:
    application = Flask(__name__)
    default_zone = os.environ.get("ZONE", "Europe/Moscow")

    def asked_zone() -> str:
        return request.args.get("zone", default_zone)

    @application.get("/")
    def page() -> str:
        zone = asked_zone()
        return render_template("index.html", zone=zone, time=time_in(zone))

    @application.get("/time")
    def as_json() -> Response:
        zone = asked_zone()
        return jsonify(zone=zone, time=time_in(zone).isoformat(timespec="seconds"))

    @application.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @application.errorhandler(ZoneInfoNotFoundError)
    @application.errorhandler(ValueError)
    def unknown_zone(_error: Exception) -> tuple[Response, int]:
        return jsonify(error="unknown time zone", zone=asked_zone()), 400

    return application


app = create_app()
