// The start page: answers appear in place, each batch of pictures has an address of its own, and
// the back button and a reload lead to what was there. Without this file, the form is a plain one.

import "./copy.js";
import { classify, createCopies } from "./batches.js";
import { listenForPhotos } from "./camera.js";
import { parseCard, summarize } from "./cards.js";
import { listenForPictures } from "./intake.js";
import { clear, keep, load, showRecent } from "./recent.js";
import { showReadiness } from "./sending.js";
import { announce, say } from "./words.js";

const MOST_ELEMENTS = 12;

const answers = document.querySelector("#answers");
// The element of each batch by its id: a batch goes on while another one is shown.
const elements = new Map();

document.querySelector("#clear-recent").addEventListener("click", () => {
  clear();
  elements.clear();
  history.replaceState(null, "", location.pathname + location.search);
  show();
  document.querySelector("#main").focus();
  announce(say("cleared"));
});
document.querySelector("#recent").addEventListener("click", (event) => {
  const link = event.target.closest("a");
  const opensElsewhere = event.ctrlKey || event.metaKey || event.shiftKey;
  if (!link || opensElsewhere) return;
  event.preventDefault();
  history.pushState(null, "", link.hash);
  show();
  // The batch is shown further up the page.
  answers.focus();
  answers.scrollIntoView();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  // The link would replace the part of the address that says which answers are shown.
  event.preventDefault();
  document.querySelector("#main").focus();
});
addEventListener("click", (event) => {
  // The page in another language, or for another version, shows the same answers.
  const link = event.target.closest(".languages a, .versions a");
  if (link) link.hash = location.hash;
});
addEventListener("popstate", show);
addEventListener("storage", showRecent);
show();
showRecent();
showReadiness();
listenForPictures(document.querySelector("#picture-form"), take);
listenForPhotos(take);

function take(files) {
  const id = `answers-${Date.now().toString(36)}`;
  const element = document.createElement("div");
  element.className = "batch";
  if (elements.size >= MOST_ELEMENTS) forgetFinished();
  elements.set(id, element);
  history.pushState(null, "", `#${id}`);
  show();
  element.addEventListener("settled", async () => {
    setTitle();
    const cards = await createCopies(element);
    // In the meantime other cards may have been settled, or all answers may have been cleared.
    const isLatest = cards.length === element.querySelectorAll(".answer:not(.waiting)").length;
    if (isLatest && elements.get(id) === element) keep({ id, cards });
  });
  classify(files, element);
  answers.scrollIntoView({ block: "nearest" });
}

// Forgets the oldest batch that waits for nothing: its answers have been kept or cleared.
function forgetFinished() {
  const finished = [...elements].find(([, element]) => !element.querySelector(".waiting"));
  if (finished) elements.delete(finished[0]);
}

// Shows the batch that the address names.
function show() {
  const id = location.hash.slice(1);
  const element = id.startsWith("answers-") ? findElement(id) : null;
  answers.replaceChildren(...(element ? [element] : []));
  document.body.classList.toggle("has-answers", element !== null);
  setTitle();
}

function findElement(id) {
  if (!elements.has(id)) elements.set(id, restore(id));
  return elements.get(id);
}

function restore(id) {
  const element = document.createElement("div");
  element.className = "batch";
  const kept = load().find((batch) => batch.id === id);
  if (kept) {
    element.append(...kept.cards.map(parseCard).filter((card) => card !== null));
    return element;
  }
  const note = document.createElement("p");
  note.className = "card gone";
  note.textContent = say("gone");
  element.append(note);
  return element;
}

function setTitle() {
  const cards = [...answers.querySelectorAll("[data-answer]")];
  const labels = cards.map((card) => summarize(card)).map(
    ({ label, percentage }) => `${label} (${percentage})`,
  );
  document.title = labels.length > 0
    ? `${labels.join(", ")} – ${say("siteName")}`
    : say("title");
}
