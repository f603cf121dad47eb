"""Sends a message, reads it back and works it off, with the client that openapi-python-client has generated."""
import sys

from generated import Client
from generated.api.consumers import ack, pull, put_consumer
from generated.api.messages import accept, get_message, list_messages
from generated.models import ConsumerBody, LeasesBody, MessageBody, MessageBodyAttributes, PullBody

client = Client(base_url=sys.argv[1], raise_on_unexpected_status=True)
attributes = MessageBodyAttributes()
attributes["room"] = "hall"
body = MessageBody(message="The door is open", topic="generated", attributes=attributes)
receipt = accept.sync(client=client, body=body, idempotency_key="once")
assert accept.sync(client=client, body=body, idempotency_key="once").id == receipt.id
message = get_message.sync("generated", receipt.id, client=client)
assert message.message == "The door is open", message
assert message.attributes.additional_properties == {"room": "hall"}, message
page = list_messages.sync("generated", client=client, limit=1)
assert [one.id for one in page.messages] == [receipt.id] and not page.truncated, page
put_consumer.sync("generated", "worker", client=client, body=ConsumerBody(lease_seconds=30))
pulled = pull.sync("generated", "worker", client=client, body=PullBody(max_=1)).messages
assert [one.id for one in pulled] == [receipt.id] and pulled[0].attempt == 1, pulled
settled = ack.sync("generated", "worker", client=client, body=LeasesBody(leases=[pulled[0].lease]))
assert settled.settled == 1 and settled.stale == [], settled
problem = get_message.sync("generated", "0" * 26, client=client)
assert problem.code == "not-found", problem
print("a message is sent, read back, pulled and acknowledged")
