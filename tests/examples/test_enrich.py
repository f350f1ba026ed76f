import json

import pytest

from needs import needs

pytestmark = pytest.mark.slow
needs("httpx")


def run(hub, example, orders, **config):
    lines = "".join(json.dumps(order) + "\n" for order in orders)
    options = {"app_config": config, "content_type": "application/x-ndjson", "check": True}
    return [json.loads(line) for line in hub.run(example, input=lines, **options).output.splitlines()]


def orders_of(example):
    return [json.loads(line) for line in (example / "data" / "orders.ndjson").read_text().splitlines()]


def test_each_order_has_its_customer(hub, example, service):
    orders = orders_of(example)
    customers = json.loads((example / "data" / "customers.json").read_text())
    enriched = run(hub, example, orders, service=service.url)
    unknown = enriched.pop(17)
    assert unknown["customer"] == "C99"
    assert "404" in unknown["error"]
    del orders[17]
    assert enriched == [{**order, **customers[order["customer"]]} for order in orders]
    assert service.requests["C99"] == 1, "what is not there is not asked for again"


def test_a_service_that_stays_busy(hub, example, service):
    (order,) = run(hub, example, [{"order": 1, "customer": "C01"}], service=service.url, tries=1)
    assert "503" in order["error"]
    assert service.requests == {"C01": 1}


def test_a_service_that_is_away(hub, example, service):
    url = service.url
    service.server_close()
    (order,) = run(hub, example, [{"order": 1, "customer": "C01"}], service=url, tries=2)
    assert "failed" in order["error"]


def test_the_token_is_sent(hub, example, service):
    sent = []
    answer = service.RequestHandlerClass.do_GET

    class Watched(service.RequestHandlerClass):
        def do_GET(self):  # noqa: N802 - its name in the standard library
            sent.append(self.headers["Authorization"])
            answer(self)

    service.RequestHandlerClass = Watched
    instance = hub.start(example, app_config={"service": service.url}, secrets={"SERVICE_TOKEN": "for tests"})
    instance.send_input('{"order": 1, "customer": "C01"}\n', content_type="application/x-ndjson")
    assert instance.wait(timeout=60).exitcode == 0
    assert sent == ["Bearer for tests"] * 2
