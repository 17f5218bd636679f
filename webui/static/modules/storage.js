// What nobody but this browser keeps: the recent answers, and the files behind the cards, so that
// a reload, another language or another try needs nobody to choose them again.

import { clone, isAnswer, isWaiting, nameOf, parseCard, summarize } from "./cards.js";

const ANSWERS = "answers";
const PICTURES = "pictures";
// Number of answers that are kept, and of errors beside them.
const MOST = 24;
const withPictures = createDatabase(PICTURES);

// Where the browser keeps nothing, the files last as long as the page.
const inMemory = new Map();
// The files behind the cards as they were chosen, where smaller ones were sent; nobody keeps them.
export const originals = new Map();

const section = document.querySelector("#recent");

// Returns the kept batches, newest first, as `{ id, cards, isPartial }` with the cards as HTML.
export function load() {
  try {
    const kept = JSON.parse(localStorage.getItem(ANSWERS));
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
  storeAnswers([]);
  showRecent();
  return async () => {
    save([...load(), ...batches]);
    for (const [key, picture] of await pictures) keepPicture(key, picture);
  };
}

// Shows the list, each picture with a link to its card.
export function showRecent() {
  const items = load().flatMap(({ id, cards }) => cards.map(parseCard)
    .filter((card) => card && isAnswer(card))
    .map((card) => {
      const item = clone("recent-item");
      const { label, percentage } = summarize(card);
      item.querySelector("a").href = `#${card.dataset.picture ?? id}`;
      item.querySelector("a").title = nameOf(card);
      const image = card.querySelector("[data-preview] img") ?? card.querySelector(".pixels");
      item.querySelector("img").src = image?.src ?? "";
      item.querySelector(".visually-hidden").textContent = nameOf(card);
      const doubt = "unsure" in card.dataset ? "?" : "";
      item.querySelector(".recent-label").textContent = label + doubt;
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
    if (storeAnswers(kept)) break;
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

function storeAnswers(batches) {
  try {
    if (batches.length > 0) localStorage.setItem(ANSWERS, JSON.stringify(batches));
    else localStorage.removeItem(ANSWERS);
    return true;
  } catch {
    return false;
  }
}

// Keeps a picture, `{ file, version, original, preview }`, under the key of its card.
export function keepPicture(key, picture) {
  inMemory.set(key, picture);
  return withPictures("readwrite", (store) => store.put(picture, key));
}

export async function findPicture(key) {
  const picture = inMemory.get(key) ?? await withPictures("readonly", (store) => store.get(key));
  if (picture) inMemory.set(key, picture);
  return picture;
}

export const peekPicture = (key) => inMemory.get(key);

// Keeps no pictures but those with the keys in the set `used`.
async function forgetOthers(used) {
  const unused = (await listKeys()).filter((key) => !used.has(key));
  if (unused.length === 0) return;
  await withPictures("readwrite", (store) => unused.map((key) => store.delete(key)));
}

// Forgets all pictures, and returns them as pairs of a key and a picture.
async function takeAll() {
  const keys = new Set([...(await listKeys()), ...inMemory.keys()]);
  const kept = await Promise.all([...keys].map(async (key) => [key, await findPicture(key)]));
  inMemory.clear();
  await forgetOthers(new Set());
  return kept;
}

const listKeys = async () => (await withPictures("readonly", (store) => store.getAllKeys())) ?? [];

// Returns a function that gives `act` the only store of the database called `name`, and returns what
// that answers; undefined where nothing can be kept.
export function createDatabase(name) {
  let opening = null;
  const open = () => new Promise((resolve, reject) => {
    const request = indexedDB.open(name);
    request.addEventListener("upgradeneeded", () => request.result.createObjectStore(name));
    request.addEventListener("success", () => resolve(request.result));
    request.addEventListener("error", reject);
  });
  return async (mode, act) => {
    try {
      opening ??= open();
      const transaction = (await opening).transaction(name, mode);
      const request = act(transaction.objectStore(name));
      await new Promise((resolve, reject) => {
        transaction.addEventListener("complete", resolve);
        transaction.addEventListener("abort", reject);
      });
      return request.result;
    } catch {
      return undefined; // Storage is blocked or full, or the file is gone.
    }
  };
}
