"""Makes traffic, and reads the metrics by the parsers of prometheus-client in both formats."""
import json
import sys
import urllib.error
import urllib.request

from prometheus_client import parser
from prometheus_client.openmetrics import parser as strict

base = sys.argv[1]


def call(method, path, body=None, accept="*/*"):
    data = json.dumps(body).encode() if body is not None else None
    headers = {"Accept": accept, "Content-Type": "application/json"}
    request = urllib.request.Request(base + path, data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request) as response:
            return response.headers["Content-Type"], response.read().decode()
    except urllib.error.HTTPError as error:
        return error.headers["Content-Type"], error.read().decode()


consumer = "/api/v1/topics/metrics/consumers/c"
call("POST", "/api/v1/message", {"message": "\"a\\\n", "topic": "metrics"})
call("POST", "/api/v1/message", {"message": ""})
call("PUT", consumer, {})
pulled = json.loads(call("POST", consumer + "/pull", {})[1])["messages"]
call("POST", consumer + "/ack", {"leases": [message["lease"] for message in pulled]})
call("GET", "/api/v1/topics/metrics/messages")
call("GET", "/nowhere")


def read(accept, parse, media_type):
    found, text = call("GET", "/metrics", accept=accept)
    assert found.startswith(media_type), found
    families = list(parse(text))
    assert all(family.documentation for family in families), "a family without HELP"
    assert all(family.type not in ("unknown", "untyped") for family in families), "a family without TYPE"
    assert any(sample.value for family in families for sample in family.samples)
    return {sample.name for family in families for sample in family.samples}


modern = read("application/openmetrics-text; version=1.0.0", strict.text_string_to_metric_families,
              "application/openmetrics-text; version=1.0.0")
classic = read("text/plain", parser.text_string_to_metric_families, "text/plain; version=0.0.4")
assert modern == classic, modern ^ classic
print(f"{len(modern)} names of samples, the same in both formats")
