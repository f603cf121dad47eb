// Follows a stream with an SSE client of JavaScript, and prints each event with its text.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const [client, url] = process.argv.slice(2);
const events = ["message", "gap", "unreadable", "busy", "bye"];

function show(event, data) {
  console.log(event, JSON.parse(data).message ?? "");
}

function listen(source) {
  for (const name of events) {
    source.addEventListener(name, (event) => show(name, event.data));
  }
  source.addEventListener("error", () => {
    if (source.readyState === 2) throw new Error("the client has given up");
  });
}

if (client === "eventsource") {
  const { EventSource } = require("eventsource");
  listen(new EventSource(url));
} else if (client === "event-source-polyfill") {
  const { EventSourcePolyfill } = require("event-source-polyfill");
  listen(new EventSourcePolyfill(url));
} else {
  // The client is made for a page.
  globalThis.window = globalThis;
  globalThis.document = { addEventListener() {}, removeEventListener() {} };
  const { fetchEventSource } = require("@microsoft/fetch-event-source");
  await fetchEventSource(url, {
    openWhenHidden: true,
    onmessage: ({ event, data }) => data && show(event, data),
    // As its documentation reconnects after the end of a stream.
    onclose() {
      throw new Error("the server has closed the stream");
    },
  });
}
