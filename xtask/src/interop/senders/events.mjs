// Sends one event in each mode with the CloudEvents SDK for JavaScript.
import { CloudEvent, HTTP } from "cloudevents";

const address = process.argv[2];

function event(number) {
  return new CloudEvent({
    id: `node-${number}`,
    source: "/node",
    type: "org.example.reading",
    unit: "celsius",
    data: { value: number },
  });
}

async function post(path, headers, body) {
  const response = await fetch(address + path, { method: "POST", headers, body });
  if (response.status !== 201) {
    throw new Error(`${response.status} ${await response.text()}`);
  }
}

for (const message of [HTTP.binary(event(1)), HTTP.structured(event(2))]) {
  await post("", message.headers, message.body);
}
await post(
  "/batch",
  { "content-type": "application/cloudevents-batch+json" },
  JSON.stringify([event(3), event(4)]),
);
