// The recent answers, which nobody but this browser keeps.

import { parseCard, summarize } from "./cards.js";

const KEY = "answers";
const MOST_CARDS = 24;

const section = document.querySelector("#recent");

// Returns the kept batches, newest first, as `{ id, cards }` with the cards as HTML.
export function load() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY));
    return Array.isArray(kept) ? kept.filter((batch) => Array.isArray(batch?.cards)) : [];
  } catch {
    return []; // Storage is blocked, or another program has kept something here.
  }
}

// Keeps a batch, and drops the oldest ones if there is no room.
export function keep(batch) {
  let batches = [batch, ...load().filter(({ id }) => id !== batch.id)];
  const count = () => batches.reduce((sum, { cards }) => sum + cards.length, 0);
  while (batches.length > 1 && count() > MOST_CARDS) batches.pop();
  while (batches.length > 0 && !store(batches)) batches = batches.slice(0, -1);
  showRecent();
}

export function clear() {
  try {
    localStorage.removeItem(KEY);
  } catch {
    // Storage is blocked, so nothing was kept.
  }
  showRecent();
}

// Shows the list, each picture with a link to its batch.
export function showRecent() {
  const template = document.querySelector("#recent-item");
  const items = load().flatMap(({ id, cards }) => cards.map(parseCard)
    .filter((card) => card && "answer" in card.dataset)
    .map((card) => {
      const item = template.content.firstElementChild.cloneNode(true);
      const { label, percentage } = summarize(card);
      item.querySelector("a").href = `#${id}`;
      item.querySelector("img").src = findPicture(card)?.src ?? "";
      item.querySelector(".recent-label").textContent = label;
      item.querySelector(".percentage").textContent = percentage;
      return item;
    }));
  section.querySelector("ul").replaceChildren(...items);
  section.hidden = items.length === 0;
}

function findPicture(card) {
  return card.querySelector("[data-preview] img") ?? card.querySelector(".pixels");
}

function store(batches) {
  try {
    localStorage.setItem(KEY, JSON.stringify(batches));
    return true;
  } catch {
    return false;
  }
}
