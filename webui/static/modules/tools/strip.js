// The strip above a batch of several pictures: how many got which answer, which of them are shown,
// and in which order.

import { answersOf, clone, isAnswer, isWaiting, summarize } from "../cards.js";
import { announce, say } from "../words.js";

const UNSURE = "unsure";
const FAILED = "failed";
const CLASS = "class ";

const answers = document.querySelector("#answers");
const strip = document.querySelector("#strip");
const kinds = strip.querySelector(".kinds");
const underWay = strip.querySelector(".under-way");
const byDoubt = strip.querySelector("#by-doubt");
const buttons = new Map();
// The only kind of answers that is shown; null if all are.
let only = null;

kinds.addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  if (!button) return;
  only = only === button.value ? null : button.value;
  showStrip();
  const cards = listCards();
  const shown = cards.filter(({ hidden }) => !hidden).length;
  announce(say("shown", { shown, count: cards.length }));
});
byDoubt.addEventListener("click", () => {
  byDoubt.ariaPressed = !isByDoubt();
  sort(listCards());
});
strip.querySelector(".exports").addEventListener("click", async ({ target }) => {
  const format = target.closest("button")?.dataset.export;
  if (!format) return;
  const { downloadAnswers } = await import("./exports.js");
  downloadAnswers(listCards(), format);
});

const isByDoubt = () => byDoubt.ariaPressed === "true";
const listCards = () => [...answers.querySelectorAll(".answer")];

// Shows the strip, which begins with all answers in a batch that has just been brought here.
export function showStrip(isNewBatch = false) {
  const cards = listCards();
  if (isNewBatch) only = null;
  strip.hidden = cards.length < 2;
  if (strip.hidden) byDoubt.ariaPressed = false;
  showCounts(cards);
  for (const card of cards) card.hidden = only !== null && kindOf(card) !== only;
  if (isNewBatch && isInTheWay(cards[0])) strip.scrollIntoView();
  sort(cards, isNewBatch ? undefined : findPlace(cards));
}

function kindOf(card) {
  if (isWaiting(card)) return null;
  if (!isAnswer(card)) return FAILED;
  return UNSURE in card.dataset ? UNSURE : CLASS + summarize(card).label;
}

function showCounts(cards) {
  const counts = new Map();
  for (const kind of cards.map(kindOf)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const waiting = counts.get(null) ?? 0;
  counts.delete(null);
  if (!counts.has(only)) only = null;
  underWay.textContent = waiting > 0 ? say("underWay", { count: waiting }) : "";
  const rank = (kind) => [UNSURE, FAILED].indexOf(kind);
  // Buttons that change places could not be hit.
  const more = (one, other) => (waiting > 0 ? 0 : counts.get(other) - counts.get(one));
  const order = [...counts.keys()].sort((one, other) => rank(one) - rank(other) || more(one, other));
  place(kinds, order.map((kind) => showKind(kind, counts.get(kind))));
}

function showKind(kind, count) {
  if (!buttons.has(kind)) buttons.set(kind, clone("kind"));
  const button = buttons.get(kind);
  button.value = kind;
  button.ariaPressed = kind === only;
  const name = kind.startsWith(CLASS) ? kind.slice(CLASS.length) : say(kind);
  button.querySelector(".kind").textContent = name;
  button.querySelector("b").textContent = count;
  return button;
}

// Sorts the cards: as they were chosen, or the most doubtful answers first, then what has none yet,
// then the errors. The card `read` stays where it is in the window.
function sort(cards, read) {
  const doubt = (card) => {
    if (isWaiting(card)) return 2;
    return isAnswer(card) ? answersOf(card)[0]?.confidence ?? 1 : 3;
  };
  const index = ({ dataset }) => Number(dataset.picture?.split("/")[1]);
  const keys = new Map(cards.map((card) => [card, isByDoubt() ? doubt(card) : 0]));
  const sorted = cards.toSorted((one, other) => (
    keys.get(one) - keys.get(other) || index(one) - index(other)
  ));
  const batch = answers.firstElementChild;
  const notes = [...batch?.children ?? []].filter((child) => !cards.includes(child));
  if (batch) place(batch, [...notes, ...sorted], read);
}

// Makes `children` the children of `parent`; whatever has the focus keeps it, and the child `read`
// its place in the window.
function place(parent, children, read) {
  if (children.every((child, index) => child === parent.children[index])
    && children.length === parent.children.length) return;
  const focused = document.activeElement;
  const top = read?.getBoundingClientRect().top;
  parent.replaceChildren(...children);
  if (read) scrollBy(0, read.getBoundingClientRect().top - top);
  if (focused !== document.activeElement && parent.contains(focused)) {
    focused.focus({ preventScroll: true });
  }
}

// Says whether the first card begins in the window, but the strip that has come pushes it out, or one
// had to scroll up to see the strip.
function isInTheWay(card) {
  if (strip.hidden) return false;
  const { top, bottom } = card.getBoundingClientRect();
  const isPushedOut = top < innerHeight && bottom > innerHeight;
  return top >= 0 && (isPushedOut || strip.getBoundingClientRect().top < 0);
}

// Returns the card that has the focus, or the first one that begins in the window.
function findPlace(cards) {
  const shown = cards.filter(({ hidden }) => !hidden);
  return shown.find((card) => card.contains(document.activeElement))
    ?? shown.find((card) => card.getBoundingClientRect().top >= 0);
}
