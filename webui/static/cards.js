// The cards: one for each picture, first waiting, then with its answer or error.

import { say } from "./words.js";

let errorCards = 0;

export function createWaitingCard(name) {
  const card = clone("waiting-card");
  card.querySelector(".filename").textContent = name;
  return card;
}

// Shows in a waiting card why it takes longer, and that nothing needs to be done.
export function showWaiting(card, { heading, message }) {
  card.querySelector("h2").textContent = heading;
  card.querySelector(".message").textContent = `${message} ${say("goesOn")}`;
}

// Returns the card of an error that the browser finds by itself; the words are the server's.
export function createErrorCard(type) {
  const card = clone(type);
  // The same error may be shown several times, and no two elements may have the same id.
  errorCards += 1;
  const id = `${card.getAttribute("aria-labelledby")}-${errorCards}`;
  card.setAttribute("aria-labelledby", id);
  card.querySelector("h2").id = id;
  return card;
}

// Returns the card in `html`, which is the server's, and null where there is none; kept answers are
// the server's as well.
export function parseCard(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.querySelector(".answer");
}

// Shows the picture at `address` in a card, as far as the browser can, and returns the image.
export function showPreview(card, address, name) {
  const figure = card.querySelector("[data-preview]");
  const image = document.createElement("img");
  image.alt = say("chosen", { name });
  image.addEventListener("error", () => {
    const placeholder = document.createElement("p");
    placeholder.className = "placeholder";
    placeholder.textContent = say("cannotPreview");
    image.replaceWith(placeholder);
  });
  image.src = address;
  figure.hidden = false;
  figure.prepend(image);
  return image;
}

// Puts `card` in the place of the card of the same picture, and takes the picture over.
export function replaceCard(old, card) {
  const shown = old.querySelector("[data-preview] > :is(img, .placeholder)");
  const figure = card.querySelector("[data-preview]");
  if (shown) {
    figure.prepend(shown);
    figure.hidden = false;
  }
  if (!figure.querySelector("figcaption")) {
    const caption = old.querySelector("[data-preview] figcaption");
    if (caption) figure.append(caption);
  }
  old.replaceWith(card);
}

export function addDescription(card, text) {
  const line = document.createElement("span");
  line.className = "description";
  line.textContent = text;
  card.querySelector("figcaption").append(line);
}

// Returns what there is to say about a card: `{ label, percentage }` or `{ heading, message }`.
export function summarize(card) {
  const text = (selector) => card.querySelector(selector)?.textContent.trim();
  if (!("answer" in card.dataset)) return { heading: text("h2"), message: text(".message") };
  return { label: text(".label"), percentage: text(".confidence strong") };
}

function clone(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}
