import pytest
from flask.testing import FlaskClient

from app import VERSION, create_app


@pytest.fixture
def client() -> FlaskClient:
    return create_app().test_client()


def test_index(client: FlaskClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.get_json()["version"] == VERSION
    assert answer.get_json()["message"] == "Hello from flask-lab"


def test_greeting_comes_from_the_environment(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREETING", "Salut")
    assert client.get("/").get_json()["message"] == "Salut"


def test_healthz(client: FlaskClient) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})


def test_echo(client: FlaskClient) -> None:
    assert client.post("/echo", json={"a": [1]}).get_json() == {"echo": {"a": [1]}}


def test_echo_refuses_what_is_not_json(client: FlaskClient) -> None:
    assert client.post("/echo", data="a=1").status_code == 400


def test_unknown_path(client: FlaskClient) -> None:
    answer = client.get("/nowhere")
    assert (answer.status_code, answer.get_json()["path"]) == (404, "/nowhere")
