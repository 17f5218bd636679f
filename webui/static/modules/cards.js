// The cards, one for each picture: a card waits first, and then shows the answer or an error.

import { say } from "./words.js";

let errorCards = 0;

// Returns a card for a picture by its name and its key.
export function createWaitingCard(name, key) {
  const card = clone("waiting-card");
  const label = card.querySelector(".filename");
  label.textContent = name;
  label.title = name;
  card.dataset.picture = key;
  return card;
}

// Returns a line that stands among the cards.
export function createNote(text) {
  const note = document.createElement("p");
  note.className = "card note";
  note.textContent = text;
  return note;
}

export function isWaiting(card) {
  return card.classList.contains("waiting");
}

export function isAnswer(card) {
  return "answer" in card.dataset;
}

export function nameOf(card) {
  return card.querySelector(".filename")?.textContent ?? "";
}

// Shows in a waiting card why it takes longer, and that nothing needs to be done.
export function showWaiting(card, { heading, message }) {
  card.querySelector("h2").textContent = heading;
  card.querySelector(".message").textContent = `${message} ${say("goesOn")}`;
  card.querySelector("progress").hidden = true;
}

// Shows in a waiting card which part (0 to 1) of its picture has been sent.
export function showProgress(card, fraction) {
  const bar = card.querySelector("progress");
  const isDone = fraction === 1;
  bar.value = fraction;
  bar.hidden = isDone;
  const percentage = (100 * fraction).toFixed();
  card.querySelector("h2").textContent = isDone ? say("classifying") : say("sending", { percentage });
  card.querySelector(".message").textContent = "";
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
    // What it says depends on what the file turns out to be.
    placeholder.className = "placeholder";
    image.replaceWith(placeholder);
    describePlaceholder(placeholder.closest(".answer"));
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
    describePlaceholder(card);
  }
  if (old.dataset.picture) card.dataset.picture = old.dataset.picture;
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
  if (!isAnswer(card)) return { heading: text("h2"), message: text(".message") };
  return { label: text(".label"), percentage: text(".confidence strong") };
}

// A file that the model can't read either may be a letter: the browser need not apologise.
function describePlaceholder(card) {
  const placeholder = card?.querySelector(".placeholder");
  if (!placeholder || isWaiting(card)) return;
  if (isAnswer(card)) placeholder.textContent = say("cannotPreview");
  else placeholder.remove();
}

function clone(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}
