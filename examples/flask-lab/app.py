"""A small Flask application: a greeting, an echo of what it was asked, and a health endpoint."""

import os
import socket

from flask import Flask, Response, jsonify, request

VERSION = "1.0.0"


def create_app() -> Flask:
    """Makes the application; tests make one of their own."""
    application = Flask(__name__)

    @application.get("/")
    def index() -> Response:
        return jsonify(
            message=os.environ.get("GREETING", "Hello from flask-lab"),
            host=socket.gethostname(),
            version=VERSION,
        )

    @application.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @application.post("/echo")
    def echo() -> tuple[Response, int]:
        body = request.get_json(silent=True)
        if body is None:
            return jsonify(error="the body has to be JSON"), 400
        return jsonify(echo=body), 200

    @application.errorhandler(404)
    def not_found(_error: Exception) -> tuple[Response, int]:
        return jsonify(error="not found", path=request.path), 404

    return application


app = create_app()

if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
