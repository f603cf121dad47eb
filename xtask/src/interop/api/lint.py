"""Requests every GET route and lints the response by httplint. Each finding is mended, or justified here."""
import http.client
import json
import sys
import urllib.parse

from httplint import HttpResponseLinter
from httplint.note import levels

JUSTIFIED = {
    ("FIELD_DEPRECATED", "X-XSS-Protection"): "0 turns the auditor of old browsers off, which leaks",
    ("CSP_UNSAFE_INLINE", "/docs/"): "for styles only, which Swagger UI sets; scripts are the server's own",
}
PAGES = ["/", "/assets/page.css", "/assets/page.js", "/docs/", "/docs/swagger-ui.css", "/problems/not-found", "/metrics"]
PAGES += ["/health/live", "/health/ready", "/health/startup", "/api-docs/openapi.json"]
PAGES += ["/apispec_1.json", "/apidocs", "/apidocs/", "/api/info", "/api/ping", "/api/health"]

host = urllib.parse.urlsplit(sys.argv[1]).netloc


def call(method, path, body=None):
    connection = http.client.HTTPConnection(host, timeout=10)
    headers = {"Content-Type": "application/json"} if body is not None else {}
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    # A stream has no end.
    data = b"" if path.endswith("/stream") else response.read()
    if path.endswith("/stream"):
        connection.close()
    return response, data


def lint(path):
    response, data = call("GET", path)
    assert response.status != 404, path
    linter = HttpResponseLinter(no_content=path.endswith("/stream"))
    linter.process_response_topline(b"HTTP/1.1", str(response.status).encode(), response.reason.encode())
    linter.process_headers([(name.encode(), value.encode()) for name, value in response.getheaders()])
    linter.feed_content(data)
    linter.finish_content(True)
    for note in [one for note in linter.notes for one in [note, *note.subnotes]]:
        if note.level not in (levels.WARN, levels.BAD):
            continue
        name = type(note).__name__
        reasons = [one for one in JUSTIFIED if one[0] == name and (one[1] in note.summary or path.startswith(one[1]))]
        used.update(reasons)
        if not reasons:
            found.append(f"{path}: {name}: {note.summary}")


found, used = [], set()
_, receipt = call("POST", "/api/v1/message", '{"message": "a", "topic": "t"}')
values = {"topic": "t", "id": json.loads(receipt)["id"], "consumer": "c", "webhook": "w"}
assert call("PUT", "/api/v1/topics/t/consumers/c", "{}")[0].status < 300
assert call("PUT", "/api/v1/topics/t/webhooks/w", '{"url": "https://example.com/"}')[0].status < 300
document = json.loads(call("GET", "/api-docs/openapi.json")[1])
routes = [path.format(**values) for path, item in document["paths"].items() if "get" in item]
for path in routes + PAGES:
    lint(path)
found += [f"justified for nothing: {one}" for one in JUSTIFIED if one not in used]
print("\n".join(found) or f"{len(routes + PAGES)} routes: no finding but the justified ones")
sys.exit(bool(found))
