// Sends pictures to the server, and waits for the server where it is not ready.

import { parseCard, summarize } from "./cards.js";
import { say } from "./words.js";

const MOST_ATTEMPTS = 8;
const FIRST_PAUSE_MILLISECONDS = 500;
const LONGEST_PAUSE_MILLISECONDS = 5000;
const SHOWN_MILLISECONDS = 4000;
export const TOO_MANY_REQUESTS = 429;
const GATEWAY_TIMEOUT = 504;
// Time after which an upload is slow; to show how far others are would only flicker.
const QUICK_MILLISECONDS = 700;

const form = document.querySelector("#picture-form");
let waiting = null;

// Sends a picture and returns `{ card, status }`, or null if no answer comes; a proxy's answer has
// no card. As long as it may help, the picture is sent again. What takes longer is
// told to `report`, as `{ heading, message, sent }` with the part (0 to 1) that has been sent.
export async function send(blob, { name, version, signal, report }) {
  for (let attempt = 1; ; attempt += 1) {
    const response = await post(blob, { name, version, signal, report });
    if (signal.aborted || attempt === MOST_ATTEMPTS) return response;
    // A worker that dies takes its picture along, and the next one answers.
    if (response?.seconds === 0 && response.status !== GATEWAY_TIMEOUT) return response;
    // Browsers don't say why a request failed.
    if (!response && !(await isReadable(blob))) return null;
    const { heading, message } = response?.card ? summarize(response.card) : unreachable();
    report({ heading, message: `${message} ${say("goesOn")}` });
    // Only a rate limit says exactly when to send again; a server that starts is asked.
    await sleep(response?.status === TOO_MANY_REQUESTS ? 1000 * response.seconds : 1000);
    await whenReady();
  }
}

// Says at the top of the page that the model is not ready yet, and when it is.
export async function showReadiness() {
  const banner = document.querySelector("#server-state");
  const problem = await askState();
  if (!problem) return;
  banner.textContent = `${problem} ${say("stateStarting")}`;
  await whenReady();
  banner.textContent = say("stateReady");
  setTimeout(() => { banner.textContent = ""; }, SHOWN_MILLISECONDS);
}

// Says whether there is something to send: neither a folder nor a deleted file can be read.
export async function isReadable(blob) {
  try {
    await blob.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

// Returns `{ card, status, seconds }`, or null if no answer comes; `seconds` is 0 if the server
// does not say that it would help to send the picture again.
function post(blob, { name, version, signal, report }) {
  const address = new URL(form.action);
  address.searchParams.set("as", "card");
  address.searchParams.delete("version");
  if (version) address.searchParams.set("version", version);
  const body = new FormData();
  body.append(form.querySelector("input[type=file]").name, blob, name);
  return new Promise((resolve) => {
    // With fetch, nobody would know how much has been sent.
    const request = new XMLHttpRequest();
    const started = performance.now();
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      if (performance.now() - started < QUICK_MILLISECONDS) return;
      const sent = loaded / total;
      const message = say("sent", { percentage: Math.floor(100 * sent) });
      if (sent < 1) report({ heading: say("sending"), message, sent });
      else report({ heading: say("classifying") });
    });
    request.addEventListener("load", () => {
      const seconds = Number(request.getResponseHeader("Retry-After")) || 0;
      resolve({ card: parseCard(request.responseText), status: request.status, seconds });
    });
    request.addEventListener("loadend", () => resolve(null));
    signal.addEventListener("abort", () => request.abort());
    request.open("POST", address);
    request.setRequestHeader("Accept", "text/html");
    if (signal.aborted) resolve(null);
    else request.send(body);
  });
}

// All pictures that wait share one poll.
function whenReady() {
  waiting ??= poll().finally(() => { waiting = null; });
  return waiting;
}

async function poll() {
  let pause = FIRST_PAUSE_MILLISECONDS;
  while (await askState()) {
    await sleep(pause);
    pause = Math.min(pause * 1.5, LONGEST_PAUSE_MILLISECONDS);
  }
}

// Returns in words what is wrong, or null if the model is ready.
async function askState() {
  try {
    const response = await fetch(form.dataset.readyUrl, { cache: "no-store" });
    // The answer is read in any case: until then, the browser takes the request to be under way.
    const answer = await response.json();
    return response.ok ? null : answer.message;
  } catch {
    return unreachable().message;
  }
}

function unreachable() {
  return { heading: say("unreachable"), message: say("unreachableMessage") };
}

function sleep(milliseconds) {
  return new Promise((resolve) => { setTimeout(resolve, milliseconds); });
}
