// The start page: answers appear in place, each batch of pictures has an address of its own, and
// the back button and a reload lead to what was there. Without this file, the form is a plain one.

import "./copy.js";
import { addCards, cancel, createCopies, goOn, isOpen, tryAgain } from "./batches.js";
import { listenForPhotos } from "./camera.js";
import {
  createNote, createWaitingCard, isWaiting, nameOf, parseCard, summarize,
} from "./cards.js";
import { listenForPictures } from "./intake.js";
import { clear, keep, load, showRecent } from "./recent.js";
import { showReadiness } from "./sending.js";
import { announce, say } from "./words.js";

const MOST_ELEMENTS = 12;

const answers = document.querySelector("#answers");
const form = document.querySelector("#picture-form");
const cleared = document.querySelector("#cleared");
const undo = cleared.querySelector("button");
// The element of each batch by its id: a batch goes on while another one is shown.
const elements = new Map();
let bringBack = null;

document.querySelector("#clear-recent").addEventListener("click", () => {
  const undoClear = clear();
  const { href } = location;
  bringBack = async () => {
    await undoClear();
    history.replaceState(null, "", href);
    show();
  };
  elements.clear();
  leave();
  cleared.hidden = false;
  undo.focus();
  announce(say("cleared"));
});
undo.addEventListener("click", async () => {
  cleared.hidden = true;
  await bringBack();
  document.querySelector("#recent").focus();
  announce(say("broughtBack"));
});
document.querySelector("#recent").addEventListener("click", (event) => {
  const link = event.target.closest("a");
  const opensElsewhere = event.ctrlKey || event.metaKey || event.shiftKey;
  if (!link || opensElsewhere) return;
  event.preventDefault();
  history.pushState(null, "", link.hash);
  show();
  goTo(findNamed() ?? answers);
});
answers.addEventListener("click", ({ target }) => {
  const card = target.closest(".answer");
  if (target.closest("[data-retry]")) tryAgain(card);
  if (target.closest("[data-cancel]")) {
    cancel(card);
    if (answers.querySelector(".answer")) answers.focus();
    else leave();
  }
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
if (findNamed()) goTo(findNamed());
showRecent();
showReadiness();
// Pictures that waited when the page was left are sent now.
for (const { id, cards } of load()) {
  if (cards.map(parseCard).some((card) => card && isWaiting(card))) findElement(id);
}
listenForPictures(form, take);
listenForPhotos(take);

function take(files) {
  const id = `answers-${Date.now().toString(36)}`;
  const element = createElement(id);
  if (elements.size >= MOST_ELEMENTS) forgetFinished();
  elements.set(id, element);
  history.pushState(null, "", `#${id}`);
  cleared.hidden = true;
  show();
  addCards(files, element, id);
  remember(id, element);
  work(id, element);
  reveal(element.querySelector(".answer"));
}

function createElement(id) {
  const element = document.createElement("div");
  element.className = "batch";
  element.addEventListener("settled", () => remember(id, element));
  return element;
}

// Keeps the cards of a batch as they are now.
async function remember(id, element) {
  setTitle();
  const turn = (Number(element.dataset.turn) || 0) + 1;
  element.dataset.turn = turn;
  const cards = await createCopies(element);
  // In the meantime other cards may have been settled, or all answers may have been cleared.
  if (turn === Number(element.dataset.turn) && elements.get(id) === element) keep({ id, cards });
}

// Sends the pictures of a batch. Where browsers can tell, no other tab does it at the same time.
function work(id, element, prepare) {
  const act = async () => {
    prepare?.();
    await goOn(element);
    await remember(id, element);
  };
  if (navigator.locks) navigator.locks.request(id, act);
  else act();
}

// Scrolls as little as it takes to see the headline of a card that was just added.
function reveal(card) {
  const { top, bottom } = card.getBoundingClientRect();
  if (top < 0 || bottom > innerHeight) card.scrollIntoView();
}

// Returns the card of the picture that the address names.
function findNamed() {
  return answers.querySelector(`[data-picture="${CSS.escape(location.hash.slice(1))}"]`);
}

function goTo(element) {
  element.tabIndex = -1;
  element.focus();
  element.scrollIntoView();
}

function leave() {
  history.replaceState(null, "", location.pathname + location.search);
  show();
  document.querySelector("#main").focus();
}

// Forgets the oldest batch that waits for nothing: its answers have been kept or cleared.
function forgetFinished() {
  const finished = [...elements].find(([, element]) => !element.querySelector(".waiting"));
  if (finished) elements.delete(finished[0]);
}

// Shows the batch that the address names.
function show() {
  const [id] = location.hash.slice(1).split("/");
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
  const element = createElement(id);
  fill(element, id);
  if ([...element.querySelectorAll(".answer")].some(isOpen)) {
    // By then, another tab may have sent the pictures.
    work(id, element, () => fill(element, id));
  }
  return element;
}

function fill(element, id) {
  const kept = load().find((batch) => batch.id === id);
  const cards = (kept?.cards ?? []).map(parseCard).filter((card) => card !== null).map((card) => (
    isWaiting(card) ? createWaitingCard(nameOf(card), card.dataset.picture) : card
  ));
  element.replaceChildren(...cards);
  if (!kept || kept.isPartial) element.prepend(createNote(say(kept ? "goneInPart" : "gone")));
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
