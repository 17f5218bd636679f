// The cards, one for each picture: a card waits first, and then shows the answer or an error.

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

// Returns the card of an error that the browser finds by itself, in the server's words.
export function createErrorCard(type) {
  const card = clone(type);
  // The same error may be shown several times, and no two elements may have the same id.
  errorCards += 1;
  const id = `${card.getAttribute("aria-labelledby")}-${errorCards}`;
  card.setAttribute("aria-labelledby", id);
  card.querySelector("h2").id = id;
  return card;
}

// Returns the card in `html`, or null if there is none. The HTML is trusted: the server wrote it,
// also where the browser has kept it.
export function parseCard(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.querySelector(".answer");
}

// Shows the picture at `address` in a card, or a note if the browser can't, and returns the image.
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

// Replaces the old card of a picture by `card`, which takes over the picture.
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

// Returns what a card says: `{ label, percentage }` or `{ heading, message }`.
export function summarize(card) {
  const text = (selector) => card.querySelector(selector)?.textContent.trim();
  if (!("answer" in card.dataset)) return { heading: text("h2"), message: text(".message") };
  return { label: text(".label"), percentage: text(".confidence strong") };
}

function clone(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}
