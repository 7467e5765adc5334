// Answers HTTP: `handle` is called for each request, in a fresh WebAssembly instance.
import { get } from "wasi:config/store@0.2.0-rc.1";

addEventListener("fetch", (event) => event.respondWith(handle(event.request)));

// Greet whoever asks.
async function handle(request) {
  const greeting = get("greeting") ?? "Hello";
  if (request.method === "POST") {
    return new Response(request.body, { headers: { "content-type": "application/octet-stream" } });
  }
  return new Response(`${greeting} from ${new URL(request.url).pathname}\n`);
}
