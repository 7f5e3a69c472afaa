from datetime import datetime, timedelta

import pytest
from flask.testing import FlaskClient

from app import create_app


@pytest.fixture
def client() -> FlaskClient:
    return create_app().test_client()


def test_page_names_its_zone(client: FlaskClient) -> None:
    answer = client.get("/?zone=Asia/Tokyo")
    assert answer.status_code == 200
    assert "The time in Asia/Tokyo" in answer.text


def test_time_has_the_offset_of_its_zone(client: FlaskClient) -> None:
    answer = client.get("/time?zone=Asia/Tokyo").get_json()
    assert datetime.fromisoformat(answer["time"]).utcoffset() == timedelta(hours=9)


@pytest.mark.parametrize("zone", ["Nowhere/City", "../../etc/passwd", ""])
def test_unknown_zone(client: FlaskClient, zone: str) -> None:
    assert client.get("/time", query_string={"zone": zone}).status_code == 400


def test_healthz(client: FlaskClient) -> None:
    assert client.get("/healthz").get_json() == {"status": "ok"}
