// The cards, one for each picture: a card waits first, and then shows the answer or an error.

import { say } from "./words.js";

let errorCards = 0;

// Returns a card for a picture by its name and its key.
export function createWaitingCard(name, key) {
  const card = clone("waiting-card");
  Object.assign(card.querySelector(".filename"), { textContent: name, title: name });
  card.dataset.picture = key;
  return card;
}

// Returns a paragraph, such as a note that stands among the cards.
export function createParagraph(className, textContent) {
  return Object.assign(document.createElement("p"), { className, textContent });
}

export const isWaiting = (card) => card.matches(".waiting");
export const isAnswer = (card) => "answer" in card.dataset;
export const nameOf = (card) => card.querySelector(".filename")?.textContent ?? "";

// Shows in a waiting card what it waits for, and which part (0 to 1) of its picture has been sent.
export function showState(card, { heading, message = "", sent = 1 }) {
  card.querySelector("h2").textContent = heading;
  card.querySelector(".message").textContent = message;
  Object.assign(card.querySelector("progress"), { value: sent, hidden: sent === 1 });
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
export const parseCard = (html) => parse(html, ".answer");

export function parse(html, selector) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.querySelector(selector);
}

// Shows the picture at `address` in a card, or a note if the browser can't, and returns the image.
export function showPreview(card, address, name) {
  const figure = card.querySelector("[data-preview]");
  const image = document.createElement("img");
  image.alt = say("chosen", { name });
  image.addEventListener("error", () => {
    const placeholder = createParagraph("placeholder", "");
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
  const caption = old.querySelector("[data-preview] figcaption");
  const figure = card.querySelector("[data-preview]");
  if (shown) figure.prepend(shown);
  if (caption && !figure.querySelector("figcaption")) figure.append(caption);
  figure.hidden = !shown && !caption;
  card.dataset.picture = old.dataset.picture;
  describePlaceholder(card);
  const topOf = (one) => one.getBoundingClientRect().top;
  // The first card that begins in the window keeps its place; browsers would keep another one.
  const cards = [...old.parentElement?.children ?? []];
  const read = cards.find((one) => !one.hidden && topOf(one) >= 0);
  const top = read && topOf(read);
  old.replaceWith(card);
  if (read) scrollBy(0, topOf(read === old ? card : read) - top);
}

export function addDescription(card, text) {
  const caption = card.querySelector("[data-preview] figcaption");
  caption?.append(createParagraph("description", text));
}

// Returns what a card says: `{ label, headline, percentage }` or `{ heading, message }`.
export function summarize(card) {
  const text = (selector) => card.querySelector(selector)?.textContent.trim();
  if (!isAnswer(card)) return { heading: text("h2"), message: text(".message") };
  const [label, headline, percentage] = [".label", ".headline", ".confidence strong"].map(text);
  return { label, headline, percentage };
}

// Returns what each version answered, as the REST interface gives it, the first one first; nothing
// for an error, and for a card from before cards had this.
export const answersOf = (card) => JSON.parse(card.dataset.answer || "[]");

// A file that the model can't read either may be a letter: the browser need not apologise.
function describePlaceholder(card) {
  const placeholder = card?.querySelector(".placeholder");
  if (placeholder && isAnswer(card)) placeholder.textContent = say("cannotPreview");
  else if (!card || !isWaiting(card)) placeholder?.remove();
}

// Returns a new element as the template called `id` has it.
export function clone(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}
