// The page that teaches: pictures are sent one by one as soon as they are there, and the training
// shows how far it is. The server makes all of the page; this only asks for it and puts it in place.

import "../copy.js";
import { listenForPhotos } from "../intake.js";
import { scaleDown } from "../scaling.js";
import { announce, say } from "../words.js";

const PAUSE_MILLISECONDS = 1000;

const camera = document.querySelector("#camera");
const taken = document.querySelector("#taken");
// The button that opened the camera, by its id, because the page around it may be replaced.
let opener = "";
let photos = 0;
let sending = Promise.resolve();

document.addEventListener("change", ({ target }) => {
  if (target.matches("#workshop input[type=file]")) takeFrom(target);
});
// Files may have been chosen before this module was there.
addEventListener("pageshow", () => {
  document.querySelectorAll("#workshop input[type=file]").forEach(takeFrom);
});
document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-camera]");
  if (!button) return;
  opener = button.id;
  photos = 0;
  taken.textContent = "";
});
camera.addEventListener("close", () => document.getElementById(opener)?.focus());
document.addEventListener("submit", ({ submitter }) => submitter?.classList.add("busy"));
listenForPhotos((files) => {
  photos += files.length;
  taken.textContent = say("taken", { count: photos });
  const { form } = document.getElementById(opener);
  if (!form.querySelector("input").multiple) camera.close();
  send(files, form);
}, true);
watch();

// Empties the input, so that the same file can be chosen again.
function takeFrom(input) {
  const files = [...input.files];
  input.value = "";
  if (files.length > 0) send(files, input.form);
}

// Sends files after those that are on their way, and shows what became of them all.
function send(files, { action, id }) {
  sending = sending.then(async () => {
    const refusals = [];
    let page = null;
    for (const [index, file] of files.entries()) {
      const body = new FormData();
      body.append("image", (await scaleDown(file))?.blob ?? file, file.name);
      page = await ask(action, { method: "POST", body });
      refusals.push(...findRefusals(page, file));
      const progress = document.querySelector(`#${id} .sent`);
      if (progress) progress.textContent = say("sent", { done: index + 1, all: files.length });
    }
    show(page?.querySelector("#workshop") ? page : await ask(location.href));
    document.querySelector("#refusals").replaceChildren(...refusals);
    for (const { textContent } of refusals) announce(textContent);
    document.querySelector("#tried")?.focus();
  });
}

async function ask(address, options) {
  try {
    const answer = await fetch(address, options);
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    return null; // The server is gone.
  }
}

// Returns the list items that say why a picture was left out.
function findRefusals(page, file) {
  if (page?.querySelector("#workshop")) return page.querySelectorAll("#refusals li");
  const item = document.createElement("li");
  const reason = page?.querySelector("main .lead")?.textContent ?? say("unreachable");
  item.textContent = say("leftOut", { name: file.name, reason });
  return [item];
}

// Puts the server's page in place of this one; the focus stays where it is.
function show(page) {
  if (!page) return;
  const { id } = document.activeElement;
  document.querySelector("#workshop").replaceWith(page.querySelector("#workshop"));
  if (id) document.getElementById(id)?.focus({ preventScroll: true });
}

// Shows how far a training is, as long as one is under way.
async function watch() {
  const training = document.querySelector("#training");
  if (training.dataset.state === "training") {
    const page = await ask(location.href);
    const now = page?.querySelector("#training");
    if (now && now.dataset.state !== "training") {
      show(page);
      announce(now.querySelector("p").textContent);
    } else if (now) {
      document.querySelector("#progress").replaceWith(now.querySelector("#progress"));
    }
  }
  setTimeout(watch, PAUSE_MILLISECONDS);
}
