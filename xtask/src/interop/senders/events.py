"""Sends one event in each mode with the CloudEvents SDK for Python."""
import json
import sys
import urllib.request

from cloudevents.core.bindings import http as binding
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

address = sys.argv[1]
codec = JSONFormat()


def event(number, data):
    return CloudEvent(
        attributes={
            "id": f"python-{number}",
            "source": "/python",
            "type": "org.example.reading",
            "specversion": "1.0",
            "datacontenttype": "application/json",
            "unit": "celsius",
        },
        data=data,
    )


def post(path, headers, body):
    request = urllib.request.Request(address + path, data=body, headers=dict(headers))
    with urllib.request.urlopen(request) as response:
        assert response.status == 201, response.status


for to_http, number in [(binding.to_binary, 1), (binding.to_structured, 2)]:
    message = to_http(event(number, {"value": number}), codec)
    post("", message.headers, message.body)
batch = [json.loads(codec.write(event(number, {"value": number}))) for number in (3, 4)]
headers = {"content-type": "application/cloudevents-batch+json"}
post("/batch", headers, json.dumps(batch).encode())
