// The recent answers, which nobody but this browser keeps.

import { isAnswer, isWaiting, nameOf, parseCard, summarize } from "./cards.js";
import { forgetOthers, keepPicture, takeAll } from "./pictures.js";

const KEY = "answers";
// Number of answers that are kept, and of errors beside them.
const MOST = 24;

const section = document.querySelector("#recent");

// Returns the kept batches, newest first, as `{ id, cards, isPartial }` with the cards as HTML.
export function load() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY));
    return Array.isArray(kept) ? kept.filter((batch) => Array.isArray(batch?.cards)) : [];
  } catch {
    return []; // Storage is blocked, or another program has kept something here.
  }
}

// Keeps a batch, and drops the oldest answers if there is no room.
export function keep(batch) {
  const before = load();
  const old = before.find(({ id }) => id === batch.id);
  save([{ ...old, ...batch }, ...before.filter((each) => each !== old)]);
}

// Forgets all batches, and returns a function that brings them back.
export function clear() {
  const batches = load();
  const pictures = takeAll();
  store([]);
  showRecent();
  return async () => {
    save([...load(), ...batches]);
    for (const [key, picture] of await pictures) keepPicture(key, picture);
  };
}

// Shows the list, each picture with a link to its card.
export function showRecent() {
  const template = document.querySelector("#recent-item");
  const items = load().flatMap(({ id, cards }) => cards.map(parseCard)
    .filter((card) => card && isAnswer(card))
    .map((card) => {
      const item = template.content.firstElementChild.cloneNode(true);
      const { label, percentage } = summarize(card);
      item.querySelector("a").href = `#${card.dataset.picture ?? id}`;
      item.querySelector("a").title = nameOf(card);
      const image = card.querySelector("[data-preview] img") ?? card.querySelector(".pixels");
      item.querySelector("img").src = image?.src ?? "";
      item.querySelector(".visually-hidden").textContent = nameOf(card);
      item.querySelector(".recent-label").textContent = label;
      item.querySelector(".percentage").textContent = percentage;
      return item;
    }));
  section.querySelector("ul").replaceChildren(...items);
  section.hidden = items.length === 0;
}

// Stores as many answers as there is room for.
function save(batches) {
  // An id says when its pictures were chosen.
  batches.sort((one, other) => (one.id < other.id ? 1 : -1));
  let kept = [];
  for (let most = MOST; most >= 0; most -= 1) {
    kept = trim(batches, most);
    if (store(kept)) break;
  }
  const used = kept.flatMap(({ cards }) => cards.map((html) => parseCard(html).dataset.picture));
  forgetOthers(new Set(used));
  showRecent();
}

// Returns the batches with at most so many answers, as many errors, and all that wait.
function trim(batches, most) {
  const room = { answer: most, error: most, waiting: Infinity };
  const hasRoom = (card) => {
    const kind = isAnswer(card) ? "answer" : isWaiting(card) ? "waiting" : "error";
    return (room[kind] -= 1) >= 0;
  };
  return batches.map(({ id, cards, isPartial }) => {
    const kept = cards.filter((html) => parseCard(html) && hasRoom(parseCard(html)));
    return { id, cards: kept, isPartial: isPartial || kept.length < cards.length };
  }).filter(({ cards }) => cards.length > 0);
}

function store(batches) {
  try {
    if (batches.length > 0) localStorage.setItem(KEY, JSON.stringify(batches));
    else localStorage.removeItem(KEY);
    return true;
  } catch {
    return false;
  }
}
