"""Follows a stream with an SSE client of Python, and prints each event with its text."""
import json
import sys
import time

import httpx
import requests
import sseclient
from httpx_sse import connect_sse


def show(event, data):
    print(event, json.loads(data).get("message", ""), flush=True)


def sseclient_py(url):
    """The client parses a response. Its user connects."""
    last, wait = None, 1.0
    while True:
        headers = {"Accept": "text/event-stream"}
        if last:
            headers["Last-Event-ID"] = last
        try:
            with requests.get(url, stream=True, headers=headers, timeout=30) as response:
                response.raise_for_status()
                for event in sseclient.SSEClient(response).events():
                    last = event.id or last
                    wait = int(event.retry) / 1000 if event.retry else wait
                    show(event.event, event.data)
        except requests.HTTPError:
            raise
        except requests.RequestException:
            pass
        time.sleep(wait)


def httpx_sse(url):
    """As the client's documentation reconnects: the id is that of the last event, whatever it was."""
    last, wait = "", 0.0
    with httpx.Client(timeout=30) as client:
        while True:
            time.sleep(wait)
            headers = {"Last-Event-ID": last} if last else {}
            try:
                with connect_sse(client, "GET", url, headers=headers) as source:
                    source.response.raise_for_status()
                    for event in source.iter_sse():
                        last = event.id
                        wait = event.retry / 1000 if event.retry is not None else wait
                        if event.data:
                            show(event.event, event.data)
            except httpx.TransportError:
                pass


{"sseclient-py": sseclient_py, "httpx-sse": httpx_sse}[sys.argv[1]](sys.argv[2])
