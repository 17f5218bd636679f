// Batches of pictures that were chosen together: all are sent, and each gets a card.

import {
  addDescription, createErrorCard, createWaitingCard, parseCard, replaceCard, showPreview,
  showWaiting, summarize,
} from "./cards.js";
import { createPreview, scaleDown } from "./scaling.js";
import { isReadable, send } from "./sending.js";
import { announce, say } from "./words.js";

// Number of pictures that are on their way at a time, so that TorchServe's workers always find the
// next one waiting.
const SENT_AT_ONCE = 4;
const FIRST_SERVER_ERROR = 500;
const TOO_MANY_REQUESTS = 429;

const form = document.querySelector("#picture-form");
const maxBytes = Number(form.dataset.maxBytes);
const maxPictures = Number(form.dataset.maxPictures);

// The file behind each image in a card, for as long as the image exists.
const pictures = new WeakMap();
// The small version of each file, which is made only once.
const previews = new WeakMap();

// Shows a card for each of `files` in `element`. A card that gets its answer or error dispatches
// "settled"; the promise resolves when all have.
export async function classify(files, element) {
  const problem = findProblem(files);
  if (problem) {
    const card = createErrorCard(problem);
    element.append(card);
    settle(card, "");
    return;
  }
  const cards = files.map((file) => {
    const card = createWaitingCard(file.name);
    pictures.set(showPreview(card, URL.createObjectURL(file), file.name), file);
    return card;
  });
  element.append(...cards);
  const waiting = files.map((file, index) => ({ file, card: cards[index] }));
  const work = async () => {
    while (waiting.length > 0) {
      const { file, card } = waiting.shift();
      await classifyOne(file, card);
    }
  };
  await Promise.all(Array.from({ length: SENT_AT_ONCE }, work));
}

// Returns the HTML of every settled card in `element`, each with a small version of its picture.
export async function createCopies(element) {
  const cards = [...element.querySelectorAll(".answer:not(.waiting)")];
  return Promise.all(cards.map(async (card) => {
    const copy = card.cloneNode(true);
    copy.querySelector("[data-retry]")?.setAttribute("hidden", "");
    const image = copy.querySelector("[data-preview] img");
    const file = pictures.get(card.querySelector("[data-preview] img"));
    if (file) {
      if (!previews.has(file)) previews.set(file, createPreview(file));
      const preview = await previews.get(file);
      if (preview) image.src = preview;
      else image.remove();
    }
    return copy.outerHTML;
  }));
}

function findProblem(files) {
  if (files.length === 0) return "NoFileError";
  return files.length > maxPictures ? "TooManyPicturesError" : null;
}

async function classifyOne(file, waitingCard) {
  const card = await ask(file, waitingCard);
  replaceCard(waitingCard, card);
  settle(card, file.name);
}

// Returns the card that takes the place of `waitingCard`.
async function ask(file, waitingCard) {
  if (!(await isReadable(file))) return createErrorCard("NoFileError");
  const scaled = await scaleDown(file);
  const content = scaled?.blob ?? file;
  if (content.size === 0) return createErrorCard("EmptyFileError");
  if (content.size > maxBytes) return createErrorCard("UploadTooLargeError");
  const answer = await send(content, file.name, (why) => tellWaiting(waitingCard, file, why));
  const card = answer && parseCard(answer.html);
  if (!card) return createFailureCard(file);
  const { status } = answer;
  if (scaled) addDescription(card, say("scaled", { size: `${scaled.width} × ${scaled.height}` }));
  if (status >= FIRST_SERVER_ERROR || status === TOO_MANY_REQUESTS) offerAnotherTry(card, file);
  return card;
}

function tellWaiting(card, { name }, { heading, message }) {
  const isNew = summarize(card).heading !== heading;
  showWaiting(card, { heading, message });
  if (isNew) announce(say("announcedError", { name, ...summarize(card) }));
}

// Returns the card of a picture that got no answer, or one that is not a card, such as a proxy's.
async function createFailureCard(file) {
  if (!(await isReadable(file))) return createErrorCard("NoFileError");
  const card = createErrorCard("NoAnswerError");
  offerAnotherTry(card, file);
  return card;
}

function offerAnotherTry(card, file) {
  const button = card.querySelector("[data-retry]");
  button.hidden = false;
  button.addEventListener("click", async () => {
    const waitingCard = createWaitingCard(file.name);
    replaceCard(card, waitingCard);
    await classifyOne(file, waitingCard);
  });
}

function settle(card, name) {
  const summary = summarize(card);
  const key = summary.label ? "announcement" : "announcedError";
  announce(name ? say(key, { name, ...summary }) : Object.values(summary).join(". "));
  card.dispatchEvent(new CustomEvent("settled", { bubbles: true }));
}
