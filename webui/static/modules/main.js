// The start page: answers appear in place, each batch of pictures has an address of its own, and
// the back button and a reload lead to what was there. Without this file, the form is a plain one.

import "./copy.js";
import { addCards, cancel, copyCards, goOn, isOpen, tryAgain } from "./batches.js";
import {
  createParagraph, createWaitingCard, isWaiting, nameOf, parseCard, summarize,
} from "./cards.js";
import { listenForExamples, listenForPhotos, listenForPictures } from "./intake.js";
import { showReadiness } from "./sending.js";
import { clear, keep, load, showRecent } from "./storage.js";
import { announce, say } from "./words.js";

const MOST_ELEMENTS = 12;

const answers = document.querySelector("#answers");
const cleared = document.querySelector("#cleared");
// The element of each batch by its id: a batch goes on while another one is shown.
const elements = new Map();
// Where browsers can tell, no two tabs send the pictures of a batch at the same time.
const inOneTab = (id, act) => (navigator.locks ? navigator.locks.request(id, act) : act());

document.querySelector("#clear-recent").addEventListener("click", () => {
  const bringBack = clear();
  const { href } = location;
  const undo = cleared.querySelector("button");
  undo.onclick = async () => {
    cleared.hidden = true;
    await bringBack();
    history.replaceState(null, "", href);
    show();
    document.querySelector("#recent").focus();
  };
  elements.clear();
  leave();
  cleared.hidden = false;
  undo.focus();
  announce(say("cleared"));
});
document.querySelector("#recent").addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  history.pushState(null, "", link.hash);
  show();
  goTo(findNamed() ?? answers);
});
answers.addEventListener("click", ({ target }) => {
  const card = target.closest(".answer");
  if (target.closest("[data-retry]")) tryAgain(card);
  if (target.closest("[data-why]")) showExplanation(card, target.closest("[data-why]"));
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
  // The page in another language, or for another version, shows the same answers. That of another
  // model introduces it.
  const link = event.target.closest(".languages a, .versions:not(.models) a");
  if (link) link.hash = location.hash;
});
addEventListener("popstate", show);
addEventListener("storage", showRecent);
show();
if (findNamed()) goTo(findNamed());
showRecent();
showReadiness();
// Pictures that were corrected on an earlier visit can be downloaded.
hasCorrections().then((has) => has && loadTools());
// Pictures that waited when the page was left are sent now.
for (const { id, cards } of load()) {
  if (cards.map(parseCard).some((card) => card && isWaiting(card))) findElement(id);
}
listenForPictures(document.querySelector("#picture-form"), take);
listenForPhotos(take);
listenForExamples(take);

function take(files) {
  const id = `answers-${Date.now().toString(36)}`;
  const element = createElement(id);
  // The oldest batch that waits for nothing is forgotten: its answers have been kept or cleared.
  const finished = [...elements].find(([, each]) => !each.querySelector(".waiting"));
  if (finished && elements.size >= MOST_ELEMENTS) elements.delete(finished[0]);
  elements.set(id, element);
  history.pushState(null, "", `#${id}`);
  cleared.hidden = true;
  show();
  addCards(files, element, id);
  remember(id, element);
  inOneTab(id, () => goOn(element));
  // As little is scrolled as it takes to see the first headline.
  const { top, bottom } = element.querySelector(".answer").getBoundingClientRect();
  if (top < 0 || bottom > innerHeight) element.querySelector(".answer").scrollIntoView();
}

function createElement(id) {
  const element = document.createElement("div");
  element.className = "batch";
  element.addEventListener("settled", () => remember(id, element));
  return element;
}

// Keeps the cards of a batch as they are now, unless all answers were cleared.
function remember(id, element) {
  setTitle();
  if (elements.get(id) === element) keep({ id, cards: copyCards(element) });
}

// Returns the card of the picture that the address names.
function findNamed() {
  return answers.querySelector(`[data-picture="${CSS.escape(location.hash.slice(1))}"]`);
}

function goTo(element) {
  element.tabIndex = -1;
  element.hidden = false; // It may be one of those that a click has hidden.
  element.focus();
  element.scrollIntoView();
}

function leave() {
  history.replaceState(null, "", location.pathname + location.search);
  show();
  document.querySelector("#main").focus();
}

// Shows the batch that the address names.
function show() {
  const [id] = location.hash.slice(1).split("/");
  const element = id.startsWith("answers-") ? findElement(id) : null;
  answers.replaceChildren(...(element ? [element] : []));
  if (element) loadTools();
  document.body.classList.toggle("has-answers", element !== null);
  setTitle();
}

// What can be done with answers takes scripts of its own, which the first visit does without.
// Offline, the page does without them, too.
function loadTools() {
  return import("./tools/main.js").catch(() => {});
}

async function hasCorrections() {
  try {
    return (await indexedDB.databases()).some(({ name }) => name === "corrections");
  } catch {
    return false; // Storage is blocked.
  }
}

function findElement(id) {
  if (!elements.has(id)) elements.set(id, restore(id));
  return elements.get(id);
}

function restore(id) {
  const element = createElement(id);
  fill(element, id);
  if (![...element.querySelectorAll(".answer")].some(isOpen)) return element;
  inOneTab(id, () => {
    fill(element, id); // Another tab may have sent the pictures meanwhile.
    return goOn(element);
  });
  return element;
}

function fill(element, id) {
  const kept = load().find((batch) => batch.id === id);
  const cards = (kept?.cards ?? []).map(parseCard).filter((card) => card !== null).map((card) => (
    isWaiting(card) ? createWaitingCard(nameOf(card), card.dataset.picture) : card
  ));
  const note = kept ? kept.isPartial && "goneInPart" : "gone";
  element.replaceChildren(...(note ? [createParagraph("card note", say(note))] : []), ...cards);
}

async function showExplanation(card, button) {
  card.querySelector("[data-unkept][role=alert]")?.remove();
  try {
    const { explain } = await import("./tools/explanation.js");
    await explain(card, button);
  } catch {
    // It is loaded only now, and the server may be gone.
    const problem = createParagraph("small", say("unreachable"));
    problem.dataset.unkept = "";
    problem.setAttribute("role", "alert");
    button.parentElement.after(problem);
  }
}

function setTitle() {
  const answered = [...answers.querySelectorAll("[data-answer]")].map(summarize);
  const labels = answered.map(({ label, percentage }) => `${label} (${percentage})`);
  document.title = labels.length > 0 ? `${labels.join(", ")} – ${say("siteName")}` : say("title");
}
